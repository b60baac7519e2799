"""What skopeo's words mean, taken from real runs against real registries."""

from __future__ import annotations

import pytest

from dregsy_queue.oci.reference import Reference
from workers.relays.failures import LONGEST
from workers.relays.skopeo.output import error

PREFIX = 'time="2026-01-01T00:00:00Z" level=fatal msg="'


def fatal(message: str) -> str:
    return "Getting image source signatures\n" + PREFIX + message.replace('"', '\\"') + '"\n'


@pytest.mark.parametrize(
    ("message", "temporary"),
    [
        ("initializing source docker://h/a:1: reading manifest 1 in h/a: manifest unknown: manifest unknown", False),
        ("initializing source docker://h/a:1: reading manifest 1 in h/a: name unknown: not known", False),
        ("trying to reuse blob sha256:1 at destination: pinging container registry h: Get \"https://h/v2/\": "
         "http: server gave HTTP response to HTTPS client", False),
        ("pinging container registry h: Get \"https://h/v2/\": x509: certificate signed by unknown authority", False),
        ("writing manifest: uploading manifest 1 to h/a: denied: requested access to the resource is denied", False),
        ("pinging container registry h: Get \"http://h/v2/\": dial tcp 127.0.0.1:1: connect: connection refused", True),
        ("reading blob sha256:1: Get \"http://h/v2/a/blobs/sha256:1\": unexpected EOF", True),
        ("writing blob: initiating layer upload to /v2/a/blobs/uploads/ in h: received unexpected HTTP status: "
         "507 Insufficient Storage", True),
        ("reading blob sha256:1: fetching blob: received unexpected HTTP status: 503 Service Unavailable", True),
        ("Get \"https://h/v2/\": dial tcp: lookup h: no such host", True),
        ("something nobody has ever seen", True),
    ],
)  # fmt: skip
def test_temporary_or_not(message: str, temporary: bool) -> None:
    found = error(fatal(message), 1, names=(Reference.parse_full("h/a@sha256:1"), Reference.parse_full("h/a:1")))
    assert found.kind == ("failed" if temporary else "refused") and found.temporary is temporary
    assert message[:40] in str(found) and "\n" not in str(found)


@pytest.mark.parametrize(
    ("message", "side"),
    [
        ("initializing source docker://h/a: reading manifest 1 in h/a: toomanyrequests: slow down", "source"),
        ("reading blob sha256:1: fetching blob: received unexpected HTTP status: 429 Too Many Requests", "source"),
        ("writing blob: uploading layer: received unexpected HTTP status: 429 Too Many Requests", "target"),
        ("trying to reuse blob sha256:1 at destination: checking: too many requests", "target"),
    ],
)
def test_which_side_refuses(message: str, side: str) -> None:
    found = error(fatal(message), 1)
    assert (found.kind, found.side) == ("rate-limited", side)


def test_a_login_refused_in_the_middle_is_tried_once_more() -> None:
    found = error(fatal("reading manifest 1 in h/a: unauthorized: authentication required"), 1)
    assert found.temporary and found.kind == "unauthorized"


@pytest.mark.parametrize(
    ("name", "message", "side"),
    [
        ("h/lib/writing-app@sha256:1", "reading manifest sha256:1 in h/lib/writing-app: toomanyrequests: no", "source"),
        ("h/destination@sha256:1", "initializing source docker://h/destination@sha256:1: too many requests", "source"),
        ("h/reading/app:1", "writing manifest: uploading manifest 1 to h/reading/app: too many requests", "target"),
        ("h/writing:1", "writing manifest: uploading manifest 1 to h/writing: too many requests", "target"),
    ],
)
def test_names_of_repositories_do_not_tell_the_side(name: str, message: str, side: str) -> None:
    assert error(fatal(message), 1, names=(Reference.parse_full(name),)).side == side


@pytest.mark.parametrize("tag", ["404", "429", "401", "413", "1"])
@pytest.mark.parametrize("host", ["h", "h:429", "10.0.0.1:404"])
def test_tags_and_ports_that_look_like_a_status_decide_nothing(tag: str, host: str) -> None:
    message = f"writing manifest: uploading manifest {tag} to {host}/a: received unexpected HTTP status: 500 Internal"
    assert error(fatal(message), 1, names=(Reference.parse_full(f"{host}/a:{tag}"),)).kind == "failed"
    refused = message.replace("500 Internal", "413 Too Large")
    assert error(fatal(refused), 1, names=(Reference.parse_full(f"{host}/a:{tag}"),)).kind == "refused"


@pytest.mark.parametrize("name", ["h/unauthorized:1", "h/goauthentik/denied:1", "h/manifest-unknown:429", "h/x509/a:1"])
def test_names_of_images_decide_nothing(name: str) -> None:
    found = error(fatal(f"reading blob sha256:1 of {name}: unexpected EOF"), 1, names=(Reference.parse_full(name),))
    assert found.temporary and found.kind == "failed"


def test_without_a_reason() -> None:
    assert "signal 9" in str(error("", -9)) and error("", -9).temporary
    assert "exit code 1" in str(error("  \n", 1))
    assert "the last line" in str(error("noise\nthe last line\n", 1))


def test_hostile_words_stay_one_printable_line() -> None:
    text = str(error(fatal("bad \x1b[31mred\\x1b[0m \\n\\n line " + "x" * 5000), 1))
    assert "\x1b" not in text and "\n" not in text and len(text) <= LONGEST + 20


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ("fatal error: failed to reserve page summary memory\n\nruntime stack:\nruntime.throw({0xd277ca?})\n"
         "\truntime/panic.go:1047 +0x5d fp=0x7fff72ec06e0 sp=0x7fff72ec06b0 pc=0x43c7bd\n",
         "skopeo crashed: fatal error: failed to reserve page summary memory"),
        ("Copying blob sha256:1\nSIGQUIT: quit\nPC=0x46f581 m=0 sigcode=0\n\ngoroutine 1 [select]:\nmain.main()\n\n"
         "fs     0x0\ngs     0x0\n", "skopeo crashed: SIGQUIT: quit"),
        ("panic: runtime error: index out of range [3]\n\ngoroutine 7 [running]:\nmain.main()\n",
         "skopeo crashed: panic: runtime error: index out of range [3]"),
        ("rflags 0x246\ncs     0x33\nfs     0x0\ngs     0x0\n", "skopeo crashed"),
        ("skopeo: command line is wrong\n", "skopeo: skopeo: command line is wrong"),
    ],
)  # fmt: skip
def test_a_crash_is_told_by_its_first_line_not_by_its_registers(output: str, told: str) -> None:
    """The first two begin and end as skopeo 1.9 wrote them: with too little memory, and after SIGQUIT."""
    found = error(output, 2)
    assert str(found) == told and found.temporary
