"""Lists: all names, or an error; and nothing there is nothing to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tests.lab.odd.case import REPOSITORY, Case, Played
from tests.lab.odd.content import Entry, put_image
from tests.lab.odd.exchange import Answer, Ask, Next, Quirk, answer
from tests.lab.odd.quirks import asks, bends, lists, lower_to_title, pages_of, refuses, says
from tests.lab.odd.store import Store

NAMES = [f"1.{number:04}" for number in range(1005)] + ["2.0.0", "2.0.1"]
_TAGS = asks(kinds="tags")
Link = Callable[[Ask, str], Iterable[str]]


def cases() -> list[Case]:
    return [
        *(
            _all_of_them(f"Link {name}", pages_of(300, link))
            for name, link in (
                ("relative", lambda ask, last: [f'<{ask.path}?n=300&last={last}>; rel="next"']),
                ("absolute", lambda ask, last: [f'<http://{ask.host}{ask.path}?last={last}>; rel="next"']),
                ("to an inner host", lambda ask, last: [f'<http://inner:1{ask.path}?last={last}>; rel="next"']),
                ("without quotes", lambda ask, last: [f"<{ask.path}?last={last}>; rel=next"]),
                ("without angle brackets", lambda ask, last: [f'{ask.path}?last={last}; rel="next"']),
                ("in odd case", lambda ask, last: [f'<{ask.path}?last={last}>; REL="Next"']),
                ("a query alone", lambda ask, last: [f'<?last={last}>; rel="next"']),
                (
                    "behind another",
                    lambda ask, last: [f'<{ask.path}>; rel="first", <{ask.path}?last={last}>; rel="next"'],
                ),
                ("in a second line", lambda ask, last: ["</>; rel=first", f'<{ask.path}?last={last}>; rel="next"']),
                ("with more", lambda ask, last: [f'<{ask.path}?last={last}>; title="a, b; c"; rel="next"']),
                ("of several relations", lambda ask, last: [f'<{ask.path}?last={last}>; rel="prefetch next"']),
                ("without a relation", lambda ask, last: [f"<{ask.path}?last={last}>"]),
            )
        ),
        _all_of_them("Link with a prefix of its own (nexus-public#1011)", _prefixed_link()),
        _all_of_them("Link broken as n was asked for (renovate#15080)", _broken_with_n()),
        _all_of_them("no Link (nexus-public#117)", _whole_without_n(_no_link)),
        *(
            _all_of_them(f"pages of {size} without Link", _cut_at(size))
            for size in (20, 64, 99, 128, 150, 256, 500, 1000)
        ),
        _all_of_them("the last page links to itself (pulp_container#220)", _last_to_itself()),
        _all_of_them("a list as Go spells it", lower_to_title(_TAGS)),
        Case(
            "a list with a number in it",
            source=[lists(_always({"tags": ["1.0.0", 2]}))],
            tags=("semver: >=1.0.0",),
            put=lambda store, name, _: put_image(store, name, "1.0.0"),
            wants="failed",
            words=("list",),
        ),
        _all_of_them("opaque pages (docker_registry2#56, Quay)", _opaque()),
        _all_of_them("n is refused", says(lambda ask: ask.kind == "tags" and "n" in ask.query, 400)),
        *(
            Case(f"tags are {name}", source=[lists(_always(value))], tags=("semver: >=1.0.0",), wants="nothing")
            for name, value in (
                ("null (distribution#1186)", {"name": REPOSITORY, "tags": None}),
                ("empty", {"name": REPOSITORY, "tags": []}),
                ("not there (harbor#22242)", {"name": REPOSITORY}),
                ("null, and no name", {"tags": None}),
                ("no tags at all", {"name": REPOSITORY, "tags": ["", "a b", "../x", "-c"]}),
            )
        ),
        *(
            Case(
                f"a list that is {name}",
                source=[says(_TAGS, 200, body, Content_Type="text/html")],
                tags=("semver: >=1.0.0",),
                wants="failed",
                words=("list",),
                check=_no_retry,
            )
            for name, body in (
                ("a web page", "<html>Sign in</html>"),
                ("text", '"x"'),
                ("an object of others", '{"a": 1}'),
            )
        ),
        Case(
            "an error with words",
            source=[refuses(_TAGS, 404, "NAME_UNKNOWN", "no such project: lib")],
            tags=("semver: >=1.0.0",),
            wants="failed",
            words=("no such project: lib", "404"),
            check=_no_retry,
        ),
        Case(
            "a catalog that is null",
            source=[lists(lambda _: {"repositories": None}, "catalog")],
            from_="regex:.*",
            to="regex:.*,copy/app",
            wants="nothing",
        ),
        Case(
            "a catalog without its key",
            source=[lists(lambda _: {}, "catalog")],
            from_="regex:.*",
            to="regex:.*,copy/app",
            wants="nothing",
        ),
        Case(
            "a repository of the catalog that is gone (harbor#22242)",
            source=[lists(lambda _: {"repositories": ["gone/app", REPOSITORY]}, "catalog")],
            from_="regex:(gone|lib)/.*",
            tags=("semver: >=1.0.0",),
            put=lambda store, name, _: put_image(store, name, "1.0.0"),
            to="regex:.*,copy/app",
            wants="copied",
            digest=lambda played: None,
            check=_only_new,
        ),
    ]


def _cut_at(size: int) -> Quirk:
    """At most so many names, whatever `n` says, and nothing tells that there are more."""
    return lists(lambda ask: {"tags": [name for name in NAMES if name > ask.query.get("last", "")][:size]})


def _last_to_itself() -> Quirk:
    def bend(ask: Ask, given: Answer) -> None:
        given.headers.setdefault("Link", f'<{ask.path}?n=999&last={NAMES[-1]}>; rel="next"')

    return bends(_TAGS, bend)


def _always(document: object) -> Callable[[Ask], object]:
    return lambda _: document


def _all_of_them(name: str, *quirks: Quirk) -> Case:
    return Case(name, source=quirks, tags=("semver: >=2.0.0",), put=_versions, digest=lambda _: None, check=_only_new)


def _versions(store: Store, repository: str, _: str) -> Entry:
    """All of `NAMES`, which are one image."""
    entry = put_image(store, repository, NAMES[0])
    for name in NAMES:
        store.manifests[repository, name] = store.manifests[repository, NAMES[0]]
    return entry


def _only_new(played: Played) -> None:
    # `digest` of a case looks at one tag; these have several.
    copied = sorted(job["target"].rpartition(":")[2] for job in played.jobs)
    wanted = ["2.0.0", "2.0.1"] if played.case.tags == ("semver: >=2.0.0",) else copied
    assert copied == wanted, f"{copied}, not {wanted}"


def _no_retry(played: Played) -> None:
    assert played.attempts <= 1


def _no_link(ask: Ask, last: str) -> list[str]:
    return []


def _whole_without_n(link: Link) -> Quirk:
    """Pages where `n` is asked for, else the whole list."""

    async def quirk(ask: Ask, following: Next) -> Answer:
        if ask.kind == "tags" and "n" not in ask.query and "last" not in ask.query:
            return await following(ask)
        return await pages_of(10_000, link)(ask, following)

    return quirk


def _broken_with_n() -> Quirk:
    inner = _whole_without_n(lambda ask, last: [f'<{ask.path}?page=2>; rel="next"'])

    async def quirk(ask: Ask, following: Next) -> Answer:
        return answer(404, {}) if "page" in ask.query else await inner(ask, following)

    return quirk


def _prefixed_link() -> Quirk:
    inner = pages_of(300, lambda ask, last: [f'<http://{ask.host}/repository/hub{ask.path}?last={last}>; rel="next"'])

    async def quirk(ask: Ask, following: Next) -> Answer:
        if ask.path.startswith("/repository/"):
            return answer(400, {})
        if ask.kind == "tags" and "n" not in ask.query and "last" not in ask.query:
            return await following(ask)
        return await inner(ask, following)

    return quirk


def _opaque() -> Quirk:
    """Pages of 50, whatever is asked for, and a next one that only its `Link` names."""
    names = sorted(NAMES)

    async def quirk(ask: Ask, following: Next) -> Answer:
        if ask.kind != "tags":
            return await following(ask)
        start = int(ask.query.get("next_page", "gA0").removeprefix("gA"))
        found = answer(200, {"name": ask.repository, "tags": names[start : start + 50]})
        if start + 50 < len(names):
            found.headers["Link"] = f'<{ask.path}?next_page=gA{start + 50}&n=50>; rel="next"'
        return found

    return quirk
