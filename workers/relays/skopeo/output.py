"""What skopeo's output means: a typed error with skopeo's own reason, in one line."""

from __future__ import annotations

import re
from collections.abc import Iterable

from dregsy_queue.oci.reference import Reference
from dregsy_queue.redact import scrub
from workers.relays.failures import error_of, one_line
from workers.relays.relay import RelayError

#: Errors with one of these words are about the target, all others about the source.
_WRITING = re.compile(r"destination|writing|uploading", re.IGNORECASE)
#: Each blob of an image, sent or already there, in containers/image's words.
_BLOB = re.compile(r"^Copying (?:blob|config) (sha256:[0-9a-f]{64})", re.MULTILINE)
#: How Go begins and ends to tell of a program's crash: what happened, and the registers or the stack.
_CRASH = re.compile(r"^(?:panic|fatal error|runtime|SIG[A-Z]+): [^\n]+", re.MULTILINE)
_CRASHED = re.compile(r"^(?:goroutine \d+ .*:|runtime stack:|[a-z0-9]{2,6} +0x[0-9a-f]+)$", re.MULTILINE)
_FATAL = re.compile(r'level=(?:fatal|error) msg="((?:[^"\\]|\\.)*)"')


def error(output: str, returncode: int, names: Iterable[Reference] = ()) -> RelayError:
    """The error that skopeo's `output` tells of; `names` are the references it was given."""
    if returncode < 0:
        # What it wrote before does not tell why.
        return RelayError(f"skopeo ended by signal {-returncode} and gave no reason")
    reason = _reason(output)
    if not reason and _CRASHED.search(output):
        told = _CRASH.search(output)
        return RelayError(f"skopeo crashed: {one_line(scrub(told[0]))}" if told else "skopeo crashed")
    if not reason:
        return RelayError(f"skopeo ended with exit code {returncode} and gave no reason")
    names, bare = tuple(names), reason
    for name in names:
        # A repository may be called by one of these words.
        bare = bare.replace(name.name, "").replace(f"/{name.repository}", "")
    return error_of("skopeo", reason, names=names, side="target" if _WRITING.search(bare) else "source")


def blobs(output: str) -> list[str]:
    """Digests of the blobs that the target has after a copy that changed nothing."""
    return list(dict.fromkeys(_BLOB.findall(output)))


def _reason(output: str) -> str:
    found = _FATAL.findall(output)
    if found:
        return str(found[-1].replace('\\"', '"').replace("\\n", " ").replace("\\\\", "\\"))
    lines = output.strip().splitlines()
    return lines[-1] if lines and not _CRASHED.search(output) else ""
