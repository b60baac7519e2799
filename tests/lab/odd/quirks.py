"""What registries do that the specification does not say, or says otherwise; each quirk names where it was reported.

A quirk is a function of a request and of what would answer it next, so quirks combine by standing one before another.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import re
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from multidict import CIMultiDict, MultiDict

from tests.lab.odd.exchange import Answer, Ask, Next, Quirk, answer, kind_of, refusal

When = Callable[[Ask], bool]
LOGIN = ("bob", "s3cret-word")


def asks(methods: str = "", kinds: str = "", pattern: str = "") -> When:
    """Requests by any of `methods` (``GET HEAD``), of any of `kinds`, whose path has `pattern`; empty: any."""
    wanted, found = methods.split(), re.compile(pattern)
    return lambda ask: (
        (not wanted or ask.method in wanted)
        and (not kinds or ask.kind in kinds.split())
        and bool(found.search(ask.path))
    )


HEADS, MANIFESTS = asks("HEAD", "manifest"), asks("GET HEAD", "manifest")


def says(when: When, status: int, body: str | bytes = b"", *, times: int = 10**9, **headers: str) -> Quirk:
    """A fixed answer, the first so many `times`."""
    content = body.encode() if isinstance(body, str) else body
    left = times

    async def quirk(ask: Ask, following: Next) -> Answer:
        nonlocal left
        if not when(ask) or left <= 0:
            return await following(ask)
        left -= 1
        named = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
        return Answer(status, content, named)

    return quirk


def refuses(when: When, status: int, code: str, message: str = "", *, times: int = 10**9, **headers: str) -> Quirk:
    """An error as OCI has it."""
    found = refusal(status, code, message)
    more = {"Content_Type": "application/json", **headers}
    return says(when, status, found.body, times=times, **more)


def bends(when: When, bend: Callable[[Ask, Answer], Answer | None]) -> Quirk:
    """Changes an answer that succeeds."""

    async def quirk(ask: Ask, following: Next) -> Answer:
        given = await following(ask)
        return (bend(ask, given) or given) if when(ask) and given.status < 400 else given

    return quirk


def with_headers(when: When, **headers: str) -> Quirk:
    def bend(_: Ask, given: Answer) -> None:
        given.headers.update({name.replace("_", "-"): value for name, value in headers.items()})

    return bends(when, bend)


def without_headers(when: When, *names: str) -> Quirk:
    def bend(_: Ask, given: Answer) -> None:
        for name in names:
            given.headers.popall(name, None)

    return bends(when, bend)


def cuts(when: When, at: float = 0.5, *, times: int = 1) -> Quirk:
    """The connection ends in the middle of a body, the first so many `times`."""
    left = times

    def bend(_: Ask, given: Answer) -> None:
        nonlocal left
        if left > 0 and given.body:
            left -= 1
            given.cut = int(len(given.body) * at)

    return bends(when, bend)


def slow(when: When, seconds: float) -> Quirk:
    async def quirk(ask: Ask, following: Next) -> Answer:
        if when(ask):
            await asyncio.sleep(seconds)
        return await following(ask)

    return quirk


def packed(when: When, name: str = "gzip") -> Quirk:
    """Packs bodies for the way, whether that was asked for or not."""

    def bend(ask: Ask, given: Answer) -> None:
        given.body = gzip.compress(given.body)
        given.headers["Content-Encoding"] = name

    return bends(when, bend)


def shows_late(times: int, body: bytes = b"") -> Quirk:
    """What was pushed is not there yet, or `body` still is, for so many looks."""
    left, pushed = times, False

    async def quirk(ask: Ask, following: Next) -> Answer:
        nonlocal left, pushed
        if ask.kind != "manifest":
            return await following(ask)
        if ask.method == "PUT":
            pushed = True
        elif pushed and left > 0:
            left -= 1
            if not body:
                return refusal(404, "MANIFEST_UNKNOWN", "manifest unknown")
            kind = "application/vnd.oci.image.manifest.v1+json"
            return Answer(200, body, CIMultiDict({"Content-Type": kind}))
        return await following(ask)

    return quirk


def lower_to_title(when: When) -> Quirk:
    """Names of members as Go's programs write them by default."""

    def bend(_: Ask, given: Answer) -> None:
        document = json.loads(given.body)
        given.body = json.dumps({name.capitalize(): value for name, value in document.items()}).encode()

    return bends(when, bend)


# Who may read: challenges and tokens.


def used_up(tokens: Tokens, times: int) -> Quirk:
    """moby#33558: a token that is good for so many requests: it ends in the middle of an upload."""
    used: Counter[str] = Counter()

    async def quirk(ask: Ask, following: Next) -> Answer:
        token = ask.headers.get("Authorization", "").removeprefix("Bearer ")
        used[token] += 1
        if used[token] > times:
            tokens.given.pop(token, None)
        return await tokens.both(ask, following)

    return quirk


def basic(users: Iterable[tuple[str, str]] = (LOGIN,), challenge: str = 'Basic realm="lab"') -> Quirk:
    allowed = {_basic(*user) for user in users}

    async def quirk(ask: Ask, following: Next) -> Answer:
        if ask.headers.get("Authorization") in allowed:
            return await following(ask)
        return refusal(401, "UNAUTHORIZED", "authentication required", {"WWW-Authenticate": challenge})

    return quirk


class Tokens:
    """A token server, which any registry can ask whether a token is good.

    `challenge` is what a registry says; {realm}, {service} and {scope} stand for what is right. `key`: how the answer
    names the token.
    """

    def __init__(
        self,
        *,
        user: tuple[str, str] | None = LOGIN,
        anonymous: bool = False,
        challenge: str = 'Bearer realm="{realm}",service="{service}",scope="{scope}"',
        realm: str = "",
        key: str = "token",
        more: Mapping[str, object] | None = None,
        scopes: Callable[[str], str] = lambda scope: scope,
        identity: str = "",
        lines: int = 1,
    ) -> None:
        self.user, self.anonymous, self.challenge, self.realm, self.key = user, anonymous, challenge, realm, key
        self.more, self.scopes, self.identity, self.lines = more or {}, scopes, identity, lines
        #: token → scopes that it is good for
        self.given: dict[str, set[str]] = {}

    async def serve(self, ask: Ask, following: Next) -> Answer:
        """The quirk of whoever has the token server's endpoint, ``/token``."""
        if ask.path != "/token":
            return await following(ask)
        header = ask.headers.get("Authorization", "")
        if self.identity:
            good = ask.method == "POST" and f"refresh_token={self.identity}" in ask.body.decode()
            scopes = set(re.findall(r"scope=([^&]*)", ask.body.decode().replace("%3A", ":").replace("%2F", "/")))
        else:
            good = header == _basic(*self.user) if self.user and header else self.anonymous and not header
            scopes = {one for scope in ask.query.getall("scope", []) for one in scope.split()}
        if not good:
            return refusal(401, "UNAUTHORIZED", "incorrect username or password")
        token = secrets.token_hex(8)
        self.given[token] = {one.replace("%2C", ",") for one in scopes}
        return answer(200, {self.key: token, **self.more})

    async def guard(self, ask: Ask, following: Next) -> Answer:
        """The quirk of a registry that wants its tokens."""
        wanted = self.scopes(scope_of(ask))
        granted = self.given.get(ask.headers.get("Authorization", "").removeprefix("Bearer "))
        if granted is not None and (not wanted or any(_covers(scope, wanted) for scope in granted)):
            return await following(ask)
        realm = self.realm or f"http://{ask.host}/token"
        text = self.challenge.format(realm=realm, service="lab", scope=wanted)
        found = refusal(401, "UNAUTHORIZED", "authentication required")
        for line in text.split("\n"):
            found.headers.add("WWW-Authenticate", line)
        return found

    async def both(self, ask: Ask, following: Next) -> Answer:
        if ask.path == "/token":
            return await self.serve(ask, following)
        return await self.guard(ask, following)


def scope_of(ask: Ask) -> str:
    if ask.kind == "catalog":
        return "registry:catalog:*"
    return f"repository:{ask.repository}:{'pull,push' if ask.writes else 'pull'}" if ask.repository else ""


def _covers(granted: str, wanted: str) -> bool:
    name, _, actions = granted.rpartition(":")
    wanted_name, _, wanted_actions = wanted.rpartition(":")
    return name == wanted_name and set(wanted_actions.split(",")) <= set(actions.split(","))


def _basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def hidden_from_anonymous(ask_login: Quirk) -> Quirk:
    """containerd#3291: a private repository is a 404 to nobody, and only ``/v2/`` challenges."""

    async def quirk(ask: Ask, following: Next) -> Answer:
        if ask.path == "/token" or "Authorization" in ask.headers or ask.kind == "base":
            return await ask_login(ask, following)
        return refusal(404, "NAME_UNKNOWN", "repository name not known to registry")

    return quirk


def created_by_push(tokens: Tokens) -> Quirk:
    """helm#32144, Quay: a repository that is not there is a 401 to who may only pull; a token to push creates it."""

    async def quirk(ask: Ask, following: Next) -> Answer:
        if ask.path == "/token":
            return await tokens.serve(ask, following)
        created = {scope.split(":")[1] for scopes in tokens.given.values() for scope in scopes if "push" in scope}
        if ask.repository and ask.repository not in created and not ask.writes:
            wanted = f'Bearer realm="http://{ask.host}/token",service="lab",scope="{scope_of(ask)}"'
            return refusal(401, "UNAUTHORIZED", "access is not authorized", {"WWW-Authenticate": wanted})
        return await tokens.guard(ask, following)

    return quirk


# Where requests are sent on to.


def redirects(when: When, to: Callable[[Ask], str], status: int = 307) -> Quirk:
    async def quirk(ask: Ask, following: Next) -> Answer:
        return answer(status, Location=to(ask)) if when(ask) else await following(ask)

    return quirk


def presigned(when: When, where: Callable[[], str] | None = None, *, head: int = 403) -> Quirk:
    """moby#50065: what `when` asks for lies at a signed address, for GET alone; who signs in there is refused, as
    storage services do."""

    async def quirk(ask: Ask, following: Next) -> Answer:
        if ask.path.startswith("/signed/"):
            if ask.method != "GET":
                return Answer(head)
            if "Authorization" in ask.headers:
                return Answer(400, b"<Error><Code>InvalidArgument</Code></Error>")
            plain = ask.path.removeprefix("/signed")
            kind, repository, reference = kind_of(plain)
            return await following(
                Ask(ask.method, plain, ask.query, ask.headers, b"", ask.host, kind, repository, reference)
            )
        if when(ask):
            return answer(307, Location=f"{where() if where else ''}/signed{ask.path}?X-Signature=abc%2Fdef")
        return await following(ask)

    return quirk


def upload_at(place: Callable[[Ask, str], str]) -> Quirk:
    """Names the place of an upload otherwise; `place` gets the path that is right."""

    def bend(ask: Ask, given: Answer) -> None:
        if given.status == 202 and "Location" in given.headers:
            given.headers["Location"] = place(ask, given.headers["Location"])

    return bends(asks("POST PATCH"), bend)


# Lists.


def lists(document: Callable[[Ask], object], kinds: str = "tags") -> Quirk:
    """A list that is what `document` says."""

    async def quirk(ask: Ask, following: Next) -> Answer:
        return answer(200, document(ask)) if ask.kind in kinds.split() else await following(ask)

    return quirk


def pages_of(size: int, link: Callable[[Ask, str], Iterable[str]], *, obeys_n: bool = True) -> Quirk:
    """Tags in pages of at most `size`; `link` gives the lines of `Link` for a page that ends with a name."""

    async def quirk(ask: Ask, following: Next) -> Answer:
        if ask.kind != "tags":
            return await following(ask)
        unlimited = Ask(ask.method, ask.path, MultiDict(), ask.headers, b"", ask.host, ask.kind, ask.repository)
        names = [name for name in json.loads((await following(unlimited)).body)["tags"] if name]
        rest = [name for name in names if name > ask.query.get("last", "")]
        page = rest[: min(size, int(ask.query.get("n", size))) if obeys_n else size]
        found = answer(200, {"name": ask.repository, "tags": page})
        if len(page) < len(rest):
            for line in link(ask, page[-1]):
                found.headers.add("Link", line)
        return found

    return quirk
