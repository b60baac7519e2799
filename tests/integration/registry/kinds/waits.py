"""Waits that registries ask for: obeyed where they can be, bounded whatever they say, and never an error of ours."""

from __future__ import annotations

from tests.lab.odd.case import Case, Played
from tests.lab.odd.exchange import Quirk
from tests.lab.odd.quirks import MANIFESTS, When, asks, refuses, says

_LOOKS = asks("GET HEAD", "manifest")
_PAST = "Fri, 01 Jan 1999 00:00:00 GMT"
#: Values of `Retry-After` that ask for no wait that we could not have in a test, or for none at all.
_VALUES = (
    ("a second", "1"),
    ("nothing", ""),
    ("no number", "soon"),
    ("less than nothing", "-5"),
    ("a part of a second", "0.2"),
    ("NaN", "nan"),
    ("a time in the past", "1700000000"),
    ("a date in the past", _PAST),
    ("a date without a zone", "Fri, 01 Jan 1999 00:00:00"),
    ("half a date", "Fri, 01"),
    ("two numbers", "1, 1"),
    ("digits of another script", "\u0661"),
)


def cases() -> list[Case]:
    return [
        *(
            Case(f"the source is asked too often, and says {name}", source=[_busy(_LOOKS, value)], check=_copied_soon)
            for name, value in _VALUES
        ),
        Case("the target is asked too often", target=[_busy(_LOOKS, "1")], check=_copied_soon),
        Case("a push too many", target=[_busy(asks("PUT", "manifest"), "1")]),
        Case("a list too many", source=[_busy(asks(kinds="tags"), "1")], tags=("semver: >=1.0.0",), wants="nothing"),
        Case("away for a day, and here at once (hub-feedback#2459)", source=[_away("99999999")]),
        Case("away until a time, and here at once", source=[_away("4102444800")]),
    ]


def _busy(when: When, value: str) -> Quirk:
    return refuses(when, 429, "TOOMANYREQUESTS", "slow down", times=1, **({"Retry_After": value} if value else {}))


def _away(value: str) -> Quirk:
    return says(MANIFESTS, 503, times=2, Retry_After=value)


def _copied_soon(played: Played) -> None:
    assert played.source.count(status=429) + played.target.count(status=429) == 1, "the pause was not obeyed"
