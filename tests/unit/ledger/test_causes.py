"""One reason for many images is told once."""

from __future__ import annotations

import pytest

from dregsy_queue.ledger.causes import causes
from dregsy_queue.ledger.jobs import JobResult
from dregsy_queue.ledger.outcome import RunFailure


def failed(tag: str, error: str, attempts: int = 0) -> JobResult:
    source, target = f"src.example:5000/team/app:{tag}", f"dst.example/mirror/app:{tag}"
    return JobResult(source, target, "failed", "planning", "", attempts, 0.0, error)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("src.example:5000: image team/app TAG: login of user 'bob' is refused (HTTP 401)",
         "src.example:5000: login of user 'bob' is refused (HTTP 401)"),
        ("src.example:5000/team/app:TAG does not exist", "the image does not exist"),
        ("src.example:5000: it cannot be reached: connection refused",
         "src.example:5000: it cannot be reached: connection refused"),
        ("dst.example: mirror/app@sha256:DIGEST is gone", "dst.example: …@… is gone"),
        ("", "no reason given"),
    ],
)  # fmt: skip
def test_what_differs_between_images_is_left_out(error: str, told: str) -> None:
    tags = ("1.0", "1.0.1", "latest")
    results = [
        failed(tag, error.replace("TAG", tag).replace("DIGEST", str(n) * 64)) for n, tag in enumerate(tags, start=1)
    ]
    (cause,) = causes(results)
    assert (cause.number, cause.text) == (3, told)


def test_the_most_frequent_first_and_a_single_one_in_its_own_words() -> None:
    results = [failed("1", "team/app 1: odd"), failed("2", "full", 3), failed("3", "full", 6)]
    ports = causes(failed(tag, "127.0.0.1:1: it cannot be reached") for tag in ("1", "2"))
    assert [cause.text for cause in ports] == ["127.0.0.1:1: it cannot be reached"], "a tag is no port"
    assert [(cause.number, cause.text, cause.attempts) for cause in causes(results)] == [
        (2, "full", 6),
        (1, "team/app 1: odd", 0),
    ]
    assert [(cause.number, cause.text, cause.stops_run) for cause in causes([], RunFailure("t", "closed"))] == [
        (0, "closed", True)
    ]
    well = JobResult("a/b:1", "c/d:1", "copied", "missing", "", 1, 1.0, "")
    assert causes([well]) == []
