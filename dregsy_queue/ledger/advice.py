"""What to do about a failure, by its text."""

from __future__ import annotations

import re

#: The first that matches counts: what says more stands before what says less.
_ADVICE = (
    (r"^the relay program '.*' was not found", "install it where workers run, or set another `relay`"),
    (r"^skopeo (crashed|ended)", "see whether its machine or container has too little memory"),
    (r"does not speak HTTPS", "set `skip-tls-verify` if it is meant to speak plain HTTP"),
    (
        r"certificate has expired|expired certificate|certificate.*not yet valid",
        "have its certificate renewed; compare the clocks of both machines",
    ),
    (r"name that its certificate has|certificate.*(valid for|mismatch)", "use a host name that its certificate has"),
    (
        r"no space|disk quota|insufficient storage|HTTP 507|file too large",
        "make room where the registry or the relay keeps its data",
    ),
    (
        r"certificate|\btls\b|x509",
        "set `ca` under `registries` for this host, or `skip-tls-verify`",
    ),
    (
        r"HTTP 401|login|refused .*user|unauthorized|authentication required|invalid username",
        "check this registry's `auth` in the config",
    ),
    (r"HTTP 403|denied|forbidden", "give the user the right to read the source and to write the target"),
    (
        r"HTTP 429|toomanyrequests|too many requests|rate.?limit|quota",
        "set limits for it under `registries`; waiting jobs continue by themselves",
    ),
    (
        r"no worker could (plan|copy)",
        "bring the config of all workers and schedulers in line; `dregsy status` shows each",
    ),
    (r"its name is not known|no such host", "see how the config spells this host, and whether workers can resolve it"),
    (
        r"\b50[0-9]\b.*(error|gateway|unavailable)|HTTP 5\d\d|internal server error",
        "the registry itself fails: look at its log, and at the room on its disk",
    ),
    (r"the Docker daemon", "start the Docker daemon where workers run, or use `relay: skopeo` or `relay: direct`"),
    (r"cannot be reached|connection|timed? ?out|no answer", "see that the registry is up and reachable"),
    (r"does not exist|HTTP 404|not found|unknown", "see whether the source has it, and how the mapping spells it"),
    (r"somebody else write", "let nobody else write to this target"),
    (r"Redis lost", "nothing: the next run does its work; see that Redis keeps its data"),
    (r"workers died", "look at the logs and the memory of the workers that died with it"),
    # Not as part of a host or an image's name.
    (
        r"(?<![\w./-])(skopeo|daemon|docker)(?![\w./@-]|:\S)",
        "see that the relay works where workers run, or set another `relay`",
    ),
)

#: The same for what waits.
_WAITING = (
    (r"^no worker lives", "start a worker; its log says why the last one ended"),
    (r"^no worker of this release", "start workers of this release"),
    (r"^no worker has (docker|skopeo)", "start a worker that has it, or set another `relay`"),
    (r"paused by an operator", "`dregsy resume`, when it may go on"),
    (r"slots of workers are taken", "start more workers, if it is so for long"),
    (r"pulls left", "nothing fails; fewer tags, longer intervals or another account need fewer pulls"),
    (r"refuses requests", "it continues by itself; set limits for it under `registries`, so that it need not refuse"),
)

#: A reason to wait that quotes an error.
_QUOTES = re.compile(r"; attempt \d+")

#: Characters of an error that are looked at.
_LOOKED_AT = 2_000


def advice(error: str) -> str:
    """One thing to try; empty when nothing is known about such an error."""
    error = error[:_LOOKED_AT]
    return next((text for pattern, text in _ADVICE if re.search(pattern, error, re.IGNORECASE)), "")


def waiting_advice(why: str) -> str:
    """One thing to try about what waits for this reason; empty where nothing is to be done, or known."""
    why = why[:_LOOKED_AT]
    if _QUOTES.search(why):
        return advice(why)
    return next((text for pattern, text in _WAITING if re.search(pattern, why)), "")
