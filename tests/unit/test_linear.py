"""What registries, token servers and relays send is read in time that grows with its length, and no faster."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import pytest

from dregsy_queue.ledger.advice import advice
from dregsy_queue.ledger.causes import generalised
from dregsy_queue.ledger.jobs import JobResult
from dregsy_queue.matching.semver import Version
from dregsy_queue.oci.digest import Digest
from dregsy_queue.oci.reference import Reference
from dregsy_queue.redact import scrub
from dregsy_queue.registry.pages import next_link
from dregsy_queue.registry.quota import parse_quota
from dregsy_queue.registry.responses import retry_after
from dregsy_queue.registry.signing_in.challenge import parse_challenges
from workers.relays.skopeo.output import error

#: Repeated, these make readers try again and again from each place.
BAIT = [" ", "a", "a ", ";", ",rel=", ';rel="next', "<", "<a>;", 'a="', "://a:", "authorization: a ", "0", "-", "w="]
BAIT += ["é", 'level=fatal msg="', "\\", "image …:", "a.", "__", "sha256:", "/", "@", "\n", "?token=", "refused "]
#: Characters; whoever takes time by the square of it takes hours.
LENGTH = 200_000


def _failed(text: str) -> str:
    return generalised(JobResult("a/b:1", "c/b:1", "failed", "missing", "", 1, 0.0, text))


@pytest.mark.parametrize(
    "read",
    [
        lambda text: parse_challenges([text]),
        lambda text: next_link({"Link": text}, "http://a/"),
        lambda text: parse_quota({"ratelimit-remaining": "5" + text}),
        retry_after,
        scrub,
        advice,
        _failed,
        lambda text: error(text, 1),
        Digest.parse,
        lambda text: Reference.parse_full("a/" + text),
        lambda text: Version.parse("1.2.3-" + text),
    ],
)
def test_no_text_takes_long(read: Callable[[str], object]) -> None:
    for bait in BAIT:
        text = bait * (LENGTH // len(bait)) + "!"
        began = time.process_time()
        with contextlib.suppress(ValueError):
            read(text)
        assert time.process_time() - began < 5, f"{bait!r}"
