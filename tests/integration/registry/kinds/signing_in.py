"""Challenges, token servers and what they answer."""

from __future__ import annotations

from tests.lab.odd.case import Case, Played
from tests.lab.odd.content import put_image
from tests.lab.odd.exchange import Answer, Ask, Next, Quirk, refusal
from tests.lab.odd.quirks import LOGIN, Tokens, asks, basic, redirects, refuses, says, slow, used_up
from tests.lab.odd.registry import OddRegistry
from tests.lab.odd.store import Store

_BEARER = 'Bearer realm="{realm}",service="{service}",scope="{scope}"'


def cases() -> list[Case]:
    return [
        *(
            Case(f"challenge {name}", source=[Tokens(challenge=text).both], login="source")
            for name, text in (
                ("Basic before Bearer in one line (prowler#12691)", f'Basic realm="x", {_BEARER}'),
                ("Bearer before Basic in one line", f'{_BEARER}, Basic realm="x"'),
                ("in two lines", f'Basic realm="x"\n{_BEARER}'),
                ("Negotiate first (go-containerregistry#1075)", f"Negotiate\n{_BEARER}"),
                ("unknown with a token68", f"NTLM TlRMTVNTUAAB=, {_BEARER}"),
                ("in odd case", 'bEARER Realm="{realm}",SERVICE="{service}",Scope="{scope}"'),
                ("without quotes", "Bearer realm={realm},service={service},scope={scope}"),
                ("with blanks", 'Bearer   realm = "{realm}" ,  service="{service}" , scope="{scope}"'),
                ("without service (watchtower#1895)", 'Bearer realm="{realm}",scope="{scope}"'),
                ("without scope", 'Bearer realm="{realm}",service="{service}"'),
                ("with an error", _BEARER + ',error="invalid_token",error_description="a \\"quoted, word\\""'),
            )
        ),
        Case(
            "a scope of its own (containers/image#1640)",
            source=[Tokens(scopes=lambda scope: scope.replace("repository:", "repository:group/")).both],
            login="source",
        ),
        Case("a token server that wants the account", source=[_by_account(Tokens())], login="source"),
        Case("a token server as Go spells it", source=[Tokens(key="Token").both], login="source"),
        Case("tokens that are good for two requests, source", source=[used_up(Tokens(), 2)], login="source"),
        Case("tokens that are good for two requests, target", target=[used_up(Tokens(), 2)], login="target"),
        Case(
            "a token that has ended is 403, source",
            source=[_forbidden_at_end(Tokens())],
            login="source",
            relay="direct",
        ),
        Case(
            "a token that has ended is 403, target",
            target=[_forbidden_at_end(Tokens())],
            login="target",
            relay="direct",
        ),
        *(
            _within(f"tokens for one repository at a time, else {status}", _one_scope(Tokens(), status))
            for status in (400, 401, 403, 404)
        ),
        Case("/v2/ is elsewhere", source=[redirects(lambda ask: ask.path == "/v2/", lambda ask: "/v2", 301)]),
        Case(
            "a source that fails while the target greets slowly",
            source=[says(asks(pattern="^/token"), 200, "<html>"), Tokens().guard],
            target=[slow(asks(kinds="base"), 2)],
            login="source",
            wants="failed",
        ),
        Case("scope * (apple/container#454, Gitea)", source=[_star()], login="source"),
        Case("realm with a query", source=[_realm_with_query()], login="source"),
        Case("the token is called access_token", source=[Tokens(key="access_token").both], login="source"),
        *(
            Case(f"expires_in {value!r}", source=[Tokens(more={"expires_in": value}).both], login="source")
            for value in (0, -1, 0.5, "3600", None, 10**30, "soon", [1])
        ),
        Case("Basic alone at the target", target=[basic()], login="target"),
        Case("Basic with a charset", target=[basic(challenge='Basic realm="x", charset="UTF-8"')], login="target"),
        Case("Basic without realm", source=[basic(challenge="Basic")], login="source"),
        Case("only repositories challenge", source=[_base_is_open(Tokens())], login="source"),
        Case("only repositories challenge, Basic", source=[_open_base_basic()], login="source"),
        Case("Basic after Bearer (go-containerregistry#1747)", target=[_basic_to_push()], login="target"),
        Case("anonymous tokens", source=[Tokens(user=None, anonymous=True).both]),
        Case(
            "the token server redirects (dockhand#1428)",
            source=[redirects(_token, lambda ask: f"/token?{_query(ask)}&moved=1"), Tokens().both],
            login="source",
        ),
        Case(
            "the token server is busy once",
            source=[says(asks(pattern="^/token"), 503, times=1), Tokens().both],
            login="source",
        ),
        Case(
            "a wrong password",
            source=[Tokens(user=("bob", "another")).both],
            login="source",
            wants="failed",
            words=("bob", "incorrect username or password"),
            check=_once,
        ),
        Case(
            "the token server has no token",
            source=[says(asks(pattern="^/token"), 200, '{"details": "none"}'), Tokens().guard],
            login="source",
            wants="failed",
            words=("token",),
            check=_once,
        ),
        Case(
            "the token server is a web page",
            source=[says(asks(pattern="^/token"), 200, "<html>", Content_Type="text/html"), Tokens().guard],
            login="source",
            wants="failed",
            words=("token",),
            check=_once,
        ),
        Case(
            "401 and no challenge",
            source=[refuses(asks("GET HEAD", "manifest base"), 401, "UNAUTHORIZED", "sorry")],
            login="source",
            wants="failed",
            words=("sorry",),
            check=_once,
        ),
    ]


def _within(name: str, quirk: Quirk) -> Case:
    """From one repository to another of the same registry: the blobs might be mounted."""
    held: list[OddRegistry] = []

    def put(store: Store, repository: str, tag: str) -> None:
        put_image(store, repository, tag)
        put_image(held[-1].store, repository, tag)

    return Case(
        name,
        target=[quirk],
        put=put,
        login="both",
        share=held.append,
        hosts=lambda source, target: (target.host, target.host),
    )


def _one_scope(tokens: Tokens, status: int) -> Quirk:
    async def quirk(ask: Ask, following: Next) -> Answer:
        scopes = {one for scope in ask.query.getall("scope", []) for one in scope.split()}
        if ask.path == "/token" and len(scopes) > 1:
            return refusal(status, "DENIED", "one repository at a time")
        return await tokens.both(ask, following)

    return quirk


def _forbidden_at_end(tokens: Tokens) -> Quirk:
    guard = used_up(tokens, 3)

    async def quirk(ask: Ask, following: Next) -> Answer:
        given = await guard(ask, following)
        if given.status == 401 and ask.headers.get("Authorization", "").startswith("Bearer"):
            given.status = 403
            given.headers["WWW-Authenticate"] += ',error="invalid_token"'
        return given

    return quirk


def _by_account(tokens: Tokens) -> Quirk:
    async def quirk(ask: Ask, following: Next) -> Answer:
        if ask.path == "/token" and ask.query.get("account") != LOGIN[0]:
            return refusal(401, "UNAUTHORIZED", "no account is named")
        return await tokens.both(ask, following)

    return quirk


def _once(played: Played) -> None:
    tokens = played.source.count(pattern="^/token", agent="dregsy_queue")
    assert tokens <= 2, "a refused login is not tried again and again"
    assert played.attempts <= 1


def _token(ask: Ask) -> bool:
    return ask.path == "/token" and "moved" not in ask.query


def _query(ask: Ask) -> str:
    return "&".join(f"{name}={value}" for name, value in ask.query.items())


def _star() -> Quirk:
    tokens = Tokens(scopes=lambda scope: "*" if scope else "")
    return tokens.both


def _realm_with_query() -> Quirk:
    tokens = Tokens(challenge='Bearer realm="{realm}?account=a%2Fb",service="{service}",scope="{scope}"')
    return tokens.both


def _base_is_open(tokens: Tokens) -> Quirk:
    async def quirk(ask: Ask, following: Next) -> Answer:
        return await (following if ask.kind == "base" else lambda found: tokens.both(found, following))(ask)

    return quirk


def _open_base_basic() -> Quirk:
    guard = basic()

    async def quirk(ask: Ask, following: Next) -> Answer:
        return await following(ask) if ask.kind == "base" else await guard(ask, following)

    return quirk


def _basic_to_push() -> Quirk:
    """Bearer to read; who writes with a token is asked for Basic."""
    tokens, guard = Tokens(), basic()

    async def quirk(ask: Ask, following: Next) -> Answer:
        if ask.writes or (ask.headers.get("Authorization", "").startswith("Basic") and ask.path != "/token"):
            return await guard(ask, following)
        return await tokens.both(ask, following)

    return quirk
