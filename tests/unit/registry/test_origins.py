"""What may be sent where: our login and tokens stay with the registry, whatever anybody answers.

Real servers on this machine. ``localhost`` is the registry's own server under another name, so another origin.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yarl import URL

from dregsy_queue.oci.login import Credentials
from dregsy_queue.oci.manifests import ACCEPT
from dregsy_queue.registry.credentials.source import Static
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.origins import follow, parse_url, same_origin
from dregsy_queue.registry.pool import Registries
from dregsy_queue.registry.tls import TLSSettings
from dregsy_queue.registry.transport import RetryPolicy

HOME, ALIAS, OTHER, REALM = "home", "alias", "other", "realm"
PLACES = (HOME, ALIAS, OTHER, REALM)
PASSWORD, REFRESH, TOKEN = "pass-5ecret", "refresh-5ecret", "token-5ecret"
BOB, BY_TOKEN = Credentials("bob", PASSWORD), Credentials("bob", "", REFRESH)
_LOGIN = (PASSWORD, REFRESH, base64.b64encode(f"bob:{PASSWORD}".encode()).decode())
_DIGEST = "sha256:" + "a" * 64


@dataclass(frozen=True)
class Usual:
    """What a good registry or token server answers."""


@dataclass(frozen=True)
class Redirect:
    to: str
    status: int = 307
    #: how the URL is written: {host} and {path}
    form: str = "http://{host}{path}"


@dataclass(frozen=True)
class Challenge:
    """A 401; `realm`: where tokens are, None for Basic."""

    realm: str | None = None


@dataclass(frozen=True)
class Linked:
    """A good answer that names a next page, and where an upload goes on, at a place."""

    to: str


Answer = Usual | Redirect | Challenge | Linked


@dataclass
class Net:
    """The servers: what each place answers next, and which secrets arrived where."""

    hosts: dict[str, str]
    challenge: Challenge = field(default_factory=Challenge)
    script: dict[str, list[Answer]] = field(default_factory=dict)
    #: realms that the registry itself has named so far
    named: set[str] = field(default_factory=set)
    arrived: set[tuple[str, str]] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)

    def start(self, challenge: Challenge, script: dict[str, list[Answer]]) -> None:
        self.challenge, self.script = challenge, {place: list(answers) for place, answers in script.items()}
        self.named, self.arrived, self.wrong, self.asked = set(), set(), [], set()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        place = next((place for place, host in self.hosts.items() if host == request.headers.get("Host")), "nowhere")
        self._note(place, request, (await request.read()).decode())
        script = self.script.get(place)
        return self._answer(place, request, script.pop(0) if script else Usual())

    def _note(self, place: str, request: web.BaseRequest, body: str) -> None:
        self.asked.add(place)
        heard = "\n".join([request.raw_path, *request.headers.values(), body])
        found = {"login"} if any(secret in heard for secret in _LOGIN) else set()
        found |= {"token"} if TOKEN in heard else set()
        self.arrived |= {(place, what) for what in found}
        allowed = {"login", "token"} if place == HOME else {"login"} if place in self.named else set()
        self.wrong += [f"{what} at {place}: {request.method} {request.path}" for what in found - allowed]

    def _answer(self, place: str, request: web.BaseRequest, answer: Answer) -> web.Response:
        signed = request.headers.get("Authorization", "").startswith(("Basic ", "Bearer "))
        if isinstance(answer, Redirect):
            to = answer.form.format(host=self.hosts[answer.to], path=request.raw_path)
            return web.Response(status=answer.status, headers={"Location": to})
        if request.path == "/token" and isinstance(answer, Usual):
            return web.json_response({"token": TOKEN})
        if isinstance(answer, Usual) and place == HOME and not signed:
            answer = self.challenge
        if isinstance(answer, Challenge):
            return self._refuse(place, answer)
        headers = {"Docker-Content-Digest": _DIGEST, "Content-Type": ACCEPT[0]}
        if isinstance(answer, Linked):
            url = f"http://{self.hosts[answer.to]}/v2/a/tags/list?next=1"
            headers |= {"Link": f'<{url}>; rel="next"', "Location": url}
        status = 202 if request.method == "POST" else 200
        return web.Response(status=status, text=json.dumps({"name": "a", "tags": ["1"]}), headers=headers)

    def _refuse(self, place: str, challenge: Challenge) -> web.Response:
        if challenge.realm is None:
            text = 'Basic realm="x"'
        else:
            text = f'Bearer realm="http://{self.hosts[challenge.realm]}/token",service="x"'
            if place == HOME:
                self.named.add(challenge.realm)
        return web.Response(status=401, headers={"WWW-Authenticate": text})


@dataclass(frozen=True)
class Lab:
    net: Net
    runner: asyncio.Runner

    def ask(self, credentials: Credentials) -> None:
        self.runner.run(self._ask(credentials))

    async def _ask(self, credentials: Credentials) -> None:
        """Everything that a client does with a registry; what fails does not matter."""
        endpoint = f"http://{self.net.hosts[HOME]}"
        registries = Registries(endpoint_of=lambda _: endpoint, policy=RetryPolicy(tries=1))
        client = registries.client(self.net.hosts[HOME], Static(credentials), TLSSettings())
        try:
            for request in (lambda: client.head("a", "1"), lambda: client.tags("a"), lambda: client.may_push("a")):
                with contextlib.suppress(RegistryError):
                    await request()
        finally:
            await registries.aclose()


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with asyncio.Runner() as runner:
        net = Net({})
        servers = [runner.run(_listen(net)) for _ in range(3)]
        ports = [int(server.addresses[0][1]) for server in servers]
        net.hosts = {place: f"127.0.0.1:{port}" for place, port in zip((HOME, OTHER, REALM), ports, strict=True)}
        net.hosts[ALIAS] = f"localhost:{ports[0]}"
        yield Lab(net, runner)
        for server in servers:
            runner.run(server.cleanup())


async def _listen(net: Net) -> web.ServerRunner:
    server = web.ServerRunner(web.Server(net.handle))
    await server.setup()
    await web.TCPSite(server, "127.0.0.1", 0).start()
    return server


LOGIN_HOME, TOKEN_HOME, LOGIN_REALM = (HOME, "login"), (HOME, "token"), (REALM, "login")
BASIC, BEARER = Challenge(), Challenge(REALM)
BY_TOKEN_SERVER = {LOGIN_REALM, TOKEN_HOME}


def _home(*answers: Answer) -> list[Answer]:
    """What the registry answers behind the greeting."""
    return [Usual(), *answers]


@pytest.mark.parametrize(
    ("challenge", "script", "expected"),
    [
        (BASIC, {}, {LOGIN_HOME}),
        (BEARER, {}, BY_TOKEN_SERVER),
        (Challenge(HOME), {}, {LOGIN_HOME, TOKEN_HOME}),
        # redirects, to others and back
        (BASIC, {HOME: _home(Redirect(OTHER))}, {LOGIN_HOME}),
        (BASIC, {HOME: _home(Redirect(ALIAS))}, {LOGIN_HOME}),
        (BEARER, {HOME: _home(Redirect(OTHER))}, BY_TOKEN_SERVER),
        (BEARER, {HOME: _home(Redirect(REALM))}, BY_TOKEN_SERVER),
        (BASIC, {HOME: _home(Redirect(OTHER, form="//{host}{path}"))}, {LOGIN_HOME}),
        (BASIC, {HOME: _home(Redirect(OTHER)), OTHER: [Redirect(HOME)]}, {LOGIN_HOME}),
        # whoever else requires a login gets none
        (BASIC, {HOME: _home(Redirect(OTHER)), OTHER: [Challenge()] * 3}, {LOGIN_HOME}),
        (BASIC, {HOME: _home(Redirect(OTHER)), OTHER: [Challenge(OTHER)] * 3}, {LOGIN_HOME}),
        (BASIC, {HOME: [Redirect(OTHER)], OTHER: [Challenge(OTHER)]}, {LOGIN_HOME}),
        (BEARER, {HOME: _home(Redirect(ALIAS)), ALIAS: [Challenge(OTHER)] * 3}, BY_TOKEN_SERVER),
        # a token server that leads on, or requires a login of its own
        (BEARER, {REALM: [Redirect(OTHER)]}, BY_TOKEN_SERVER),
        (BEARER, {REALM: [Redirect(OTHER, 302)], OTHER: [Redirect(ALIAS)]}, BY_TOKEN_SERVER),
        (BEARER, {REALM: [Challenge(OTHER)] * 9}, {LOGIN_REALM}),
        # pages and uploads
        (BASIC, {HOME: _home(Linked(OTHER), Linked(OTHER), Linked(ALIAS), Linked(OTHER))}, {LOGIN_HOME}),
        (BEARER, {HOME: _home(Usual(), Usual(), Linked(OTHER), Linked(OTHER))}, BY_TOKEN_SERVER),
    ],
)
def test_what_arrives_where(
    lab: Lab, challenge: Challenge, script: dict[str, list[Answer]], expected: set[tuple[str, str]]
) -> None:
    lab.net.start(challenge, script)
    lab.ask(BOB)
    assert (lab.net.wrong, lab.net.arrived) == ([], expected)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_token_server_cannot_lead_an_identity_token_away(lab: Lab, status: int) -> None:
    lab.net.start(BEARER, {REALM: [Redirect(OTHER, status)] * 3})
    lab.ask(BY_TOKEN)
    assert lab.net.wrong == [] and LOGIN_REALM in lab.net.arrived


def test_pages_and_uploads_that_name_another_host_are_asked_for_at_home(lab: Lab) -> None:
    lab.net.start(BASIC, {HOME: _home(*[Linked(OTHER)] * 5)})
    lab.ask(BOB)
    assert lab.net.asked == {HOME}


places = st.sampled_from(PLACES)
_FORMS = ("http://{host}{path}", "//{host}{path}", "http://x:y@{host}{path}", "HTTP://{host}/v2/b/tags/list", "/v2/b/")
answers: st.SearchStrategy[Answer] = st.one_of(
    st.just(Usual()),
    st.builds(Redirect, places, st.sampled_from([301, 302, 303, 307, 308]), st.sampled_from(_FORMS)),
    st.builds(Challenge, st.one_of(st.none(), places)),
    st.builds(Linked, places),
)
scripts = st.fixed_dictionaries({place: st.lists(answers, max_size=5) for place in PLACES})
#: Most name the token server, so that most chains start with a login under way.
challenges = st.builds(Challenge, st.sampled_from([None, REALM, REALM, REALM, OTHER, ALIAS, HOME]))


def test_no_chain_of_answers_leads_a_secret_away(lab: Lab) -> None:
    seen: set[tuple[str, str]] = set()

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(challenge=challenges, script=scripts, credentials=st.sampled_from([BOB, BY_TOKEN]))
    def holds(challenge: Challenge, script: dict[str, list[Answer]], credentials: Credentials) -> None:
        lab.net.start(challenge, script)
        lab.ask(credentials)
        assert lab.net.wrong == []
        seen.update(lab.net.arrived)

    check: Callable[[], None] = holds
    check()
    assert seen >= {LOGIN_HOME, TOKEN_HOME, LOGIN_REALM}, "secrets must have been on their way"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a.example/x", "https://A.example:443/y", True),
        ("https://a.example", "https://a.example:5000", False),
        ("https://a.example", "http://a.example", False),
        ("https://a.example:80", "http://a.example", False),
        ("https://a.example", "https://b.a.example", False),
        ("https://a.example", "https://a.example.", False),
        ("http://[::1]:5000", "http://[::1]:5000/v2/", True),
        ("http://localhost:5000", "http://127.0.0.1:5000", False),
        ("https://a.example", "https://a.example@b.example", False),
    ],
)
def test_origins(one: str, other: str, same: bool) -> None:
    assert same_origin(URL(one), URL(other)) is same is same_origin(URL(other), URL(one))


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/v2/b", "https://a.example/v2/b"),
        ("c?n=1", "https://a.example/v2/c?n=1"),
        (" //b.example/x ", "https://b.example/x"),
        ("https://b.example:5000/x#part", "https://b.example:5000/x"),
        ("?next=%2F", "https://a.example/v2/b?next=%2F"),
        ("mailto:bob", None),
        ("ftp://b.example/", None),
        ("https://b.example:99999/", None),
        ("https://b.example:0/", None),
        ("http://", None),
        ("http://[::1", None),
    ],
)
def test_where_a_location_leads(location: str, expected: str | None) -> None:
    found = follow(URL("https://a.example/v2/b"), location)
    assert (None if found is None else str(found)) == expected
    assert expected is None or parse_url(expected) is not None
