"""Other hosts: what they are asked for without a login, and what is never sent to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any

from tests.lab.odd.case import Case, Played
from tests.lab.odd.content import put_image
from tests.lab.odd.exchange import Answer, Ask, Next, Quirk, answer, refusal
from tests.lab.odd.quirks import MANIFESTS, Tokens, asks, basic, presigned, redirects, upload_at
from tests.lab.odd.registry import OddRegistry
from tests.lab.odd.store import Store

_BLOBS = asks("GET HEAD", "blob")


class Elsewhere:
    """Another host: what it is asked for is in its log. It serves the store of whoever made it."""

    def __init__(self, *quirks: Quirk) -> None:
        self._quirks = quirks

    @cached_property
    def registry(self) -> OddRegistry:
        """Started when somebody is sent there: tables of cases are made without being run."""
        return OddRegistry(*self._quirks)

    @property
    def host(self) -> str:
        return self.registry.host

    def saw_no_login(self, _: Played) -> None:
        seen = [(entry.method, entry.path) for entry in self.registry.log if entry.authorization]
        self.registry.stop()
        assert not seen, f"a login went to another host: {seen}"


def cases() -> list[Case]:
    return [
        _case("blobs at a storage service", lambda there: [_guarded(redirects(_BLOBS, _at(there)))], store=True),
        _case(
            "blobs at a signed address of another host",
            lambda there: [_guarded(presigned(_BLOBS, lambda: f"http://{there.host}"))],
            there=[presigned(lambda ask: False)],
            store=True,
        ),
        _case(
            "manifests at a signed address of another host (moby#50065)",
            lambda there: [_guarded(presigned(MANIFESTS, lambda: f"http://{there.host}"))],
            there=[presigned(lambda ask: False)],
            store=True,
        ),
        _case("manifests at another host", lambda there: [_guarded(redirects(MANIFESTS, _at(there)))], store=True),
        _case("303 for blobs", lambda there: [_guarded(redirects(_BLOBS, _at(there), 303))], store=True),
        _case("301 for blobs", lambda there: [_guarded(redirects(_BLOBS, _at(there), 301))], store=True),
        _case(
            "a list at another host that challenges",
            lambda there: [_guarded(redirects(asks(kinds="tags"), _at(there)))],
            there=[_challenges],
            wants="failed",
            tags=("semver: >=0.0.0",),
            put=lambda store, name, _: put_image(store, name, "1.0.0"),
        ),
        _case(
            "manifests at another host that challenges (go-containerregistry#2333)",
            lambda there: [_guarded(redirects(MANIFESTS, _at(there)))],
            there=[_challenges],
            wants="failed",
        ),
        Case(
            "uploads by an absolute address",
            target=[basic(), upload_at(lambda ask, path: f"http://{ask.host}{path}")],
            login="target",
        ),
        Case(
            "uploads by the wrong scheme (regclient#699)",
            target=[upload_at(lambda ask, path: f"https://{ask.host}{path}")],
            relay="direct",
        ),
        Case("uploads with a query", target=[upload_at(lambda ask, path: f"{path}?_state=a%2Bb%3D&x=")]),
        Case("uploads with an odd query", target=[upload_at(lambda ask, path: f"{path}?_state=a/b+c==")]),
        Case("uploads without a leading slash", target=[_relative_uploads()], relay="direct"),
        *(_upload_elsewhere(name) for name in ("POST", "PATCH")),
        *(
            Case(
                f"uploads at {name} (distribution#2225, openshift#11337)",
                relay="direct",
                target=[Tokens().both, upload_at(place)],
                login="target",
                put=partial(put_image, size=size),
            )
            for name, size, place in (
                ("another name of the registry", 2048, lambda ask, path: _called("localhost", ask, path)),
                ("another name of the registry, a big one", 700_000, lambda ask, path: _called("localhost", ask, path)),
                ("an address where nobody listens", 2048, lambda ask, path: f"http://127.0.0.1:9{path}"),
            )
        ),
        _case(
            "redirects in a circle",
            lambda there: [redirects(MANIFESTS, lambda ask: ask.path)],
            wants="failed",
            words=("circle|redirect",),
        ),
        _case(
            "redirects to what is no place",
            lambda there: [redirects(MANIFESTS, lambda ask: "gopher://x/")],
            wants="failed",
        ),
        *(Case(f"blobs at {name}", source=[_moved_once(place)]) for name, place in _ODD_PLACES),
        Case("a push that is redirected within", target=[_moved_pushes(basic())], login="target", relay="direct"),
    ]


def _called(name: str, ask: Ask, path: str) -> str:
    return f"http://{name}:{ask.host.rpartition(':')[2]}{path}"


#: Odd values of `Location`, made from a path and its host.
_ODD_PLACES: list[tuple[str, Callable[[Ask], str]]] = [
    ("a query alone", lambda ask: "?moved=1"),
    ("an address with a fragment", lambda ask: f"{ask.path}?moved=1#here"),
    ("an address with dots", lambda ask: f"/v2/x/..{ask.path.removeprefix('/v2')}?moved=1"),
    ("an address without a scheme", lambda ask: f"//{ask.host}{ask.path}?moved=1"),
    ("an address with a scheme in capitals", lambda ask: f"HTTP://{ask.host}{ask.path}?moved=1"),
    ("an address with bars and hats", lambda ask: f'{ask.path}?moved=1|2^3"4'),
    ("an address behind blanks", lambda ask: f"   {ask.path}?moved=1"),
]


def _moved_once(place: Callable[[Ask], str]) -> Quirk:
    return redirects(lambda ask: ask.kind == "blob" and ask.method == "GET" and "moved" not in ask.query, place)


def _case(
    name: str,
    source: Callable[[Elsewhere], Sequence[Quirk]],
    *,
    there: Sequence[Quirk] = (),
    store: bool = False,
    put: Callable[[Store, str, str], object] = put_image,
    **more: Any,
) -> Case:
    """`source`: its quirks, which may send on to another host; that one has the quirks `there`, and with `store` all
    that the source has."""
    elsewhere = Elsewhere(*there)

    def fill(own: Store, repository: str, tag: str) -> object:
        # Started here: the thread of the registries cannot wait for itself.
        there_is = elsewhere.registry
        if store:
            there_is.store = own
        return put(own, repository, tag)

    return Case(name, source=source(elsewhere), login="source", put=fill, check=elsewhere.saw_no_login, **more)


def _upload_elsewhere(method: str) -> Case:
    """oras-go#1282: the place of an upload is another host; it gets bytes at most, and no login."""
    elsewhere = Elsewhere()

    def place(ask: Ask, path: str) -> str:
        return f"http://{elsewhere.host}{path}" if ask.method == method else path

    def fill(own: Store, repository: str, tag: str) -> object:
        return put_image(own, repository, tag)

    case = Case(
        f"an upload at another host by {method} (oras-go#1282)",
        target=[_guarded(upload_at(place))],
        login="target",
        put=fill,
        check=elsewhere.saw_no_login,
        relay="direct",
    )
    case.share = lambda target: setattr(elsewhere.registry, "store", target.store)
    return case


def _guarded(*quirks: Quirk) -> Quirk:
    """Bearer, then these."""
    tokens = Tokens()

    async def quirk(ask: Ask, following: Next) -> Answer:
        chain = following
        for one in reversed(quirks):
            chain = partial(_call, one, chain)
        if ask.path.startswith("/signed/"):
            return await chain(ask)
        return await tokens.both(ask, chain)

    return quirk


async def _call(quirk: Quirk, following: Next, ask: Ask) -> Answer:
    return await quirk(ask, following)


def _at(there: Elsewhere) -> Callable[[Ask], str]:
    return lambda ask: f"http://{there.host}{ask.path}"


async def _challenges(ask: Ask, following: Next) -> Answer:
    """Wants a login of its own, and takes any."""
    if ask.path == "/token":
        return answer(200, {"token": "any"})
    realm = f'Bearer realm="http://{ask.host}/token",service="elsewhere"'
    return refusal(401, "UNAUTHORIZED", "sign in here", {"WWW-Authenticate": realm})


def _relative_uploads() -> Quirk:
    def place(ask: Ask, path: str) -> str:
        name = path.rpartition("/")[2]
        return name if ask.method == "POST" else path

    return upload_at(place)


def _moved_pushes(guard: Quirk) -> Quirk:
    """Manifests are pushed at another path of the same registry."""

    async def quirk(ask: Ask, following: Next) -> Answer:
        if ask.method == "PUT" and ask.kind == "manifest" and "moved" not in ask.query:
            return answer(307, Location=f"{ask.path}?moved=1")
        return await guard(ask, following)

    return quirk
