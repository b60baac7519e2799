"""What the environment sets, for every role; docs/reference/environment.md lists it for people."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dregsy_queue.errors import DregsyError
from dregsy_queue.ledger import redis_url as redis_address
from dregsy_queue.ledger.staleness import AFTER
from dregsy_queue.prefix import check_prefix

#: Most runs kept per task: Redis holds every image of each.
MOST_RUNS = 1000


class SettingsError(DregsyError, ValueError):
    """An environment variable holds something unusable; the text names it."""


@dataclass(frozen=True)
class Settings:
    #: DREGSY_CONFIG: the config file
    config: Path
    #: DREGSY_REDIS_URL: queue, ledger and schedule
    redis_url: str
    #: DREGSY_RUN: only tasks whose whole name matches (as ``-run``); empty: all
    run: str
    #: DREGSY_KEEP_RUNS: runs kept per task, for reports and retries; 1 to `MOST_RUNS`
    keep_runs: int
    #: DREGSY_KEEP_DAYS: days after which an ended run is forgotten, too, unless it is the task's last; ≥ 0
    keep_days: float
    #: DREGSY_MAX_ATTEMPTS: how often a transfer is tried before a temporary failure counts; ≥ 1
    max_attempts: int
    #: DREGSY_BACKOFF: seconds before the second attempt; each further one waits twice as long, up to a minute
    backoff: float
    #: DREGSY_STALLED: seconds after which a relay is ended that moves less than 100 bytes a second, and a Docker
    #: daemon given up that says nothing
    stalled: float
    #: DREGSY_GRACE: seconds that running transfers get to finish after SIGTERM; ≥ 0
    grace: float
    #: DREGSY_DAEMON_WAIT: seconds for which a worker that is alone waits for a Docker daemon that does not answer yet
    daemon_wait: float
    #: DREGSY_ALONE: this worker is the only one, so jobs for a relay that it lacks fail instead of waiting
    alone: bool


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings.

    Raises:
        SettingsError: a value is not a number, or out of range; or the Redis URL is not valid.
    """

    def number(name: str, default: float, least: float, most: float = float("inf")) -> float:
        text = environment.get(name, "")
        try:
            value = float(text) if text else default
        except ValueError:
            raise SettingsError(f"{name} is '{text}', which is not a number") from None
        if not least <= value < float("inf"):
            raise SettingsError(f"{name} is {text}; it must be at least {least:g}")
        if value > most:
            raise SettingsError(f"{name} is {text}; it must be at most {most:g}")
        return value

    redis_url = environment.get("DREGSY_REDIS_URL") or "redis://127.0.0.1:6379/0"
    try:
        redis_address.check(redis_url)
    except redis_address.AddressError as error:
        raise SettingsError(f"DREGSY_REDIS_URL {error}") from None
    try:
        check_prefix(environment.get("DREGSY_PREFIX", ""))
    except ValueError as error:
        raise SettingsError(f"DREGSY_PREFIX {error}") from None
    return Settings(
        config=Path(environment.get("DREGSY_CONFIG") or "config.yaml"),
        redis_url=redis_url,
        run=environment.get("DREGSY_RUN", ""),
        keep_runs=int(number("DREGSY_KEEP_RUNS", 5, 1, MOST_RUNS)),
        keep_days=number("DREGSY_KEEP_DAYS", 30, 0),
        max_attempts=int(number("DREGSY_MAX_ATTEMPTS", 6, 1)),
        backoff=number("DREGSY_BACKOFF", 2, 0),
        stalled=number("DREGSY_STALLED", 600, 1),
        grace=number("DREGSY_GRACE", 60, 0),
        # as long as dregsy itself: 30 pings, 10 s apart
        daemon_wait=number("DREGSY_DAEMON_WAIT", 290, 0),
        alone=environment.get("DREGSY_ALONE", "") == "1",
    )


def where_to_say(config: Path, environment: Mapping[str, str] = os.environ) -> str:
    """What to add to an error of a `config` that is not there, because nobody said where it is; else ""."""
    if environment.get("DREGSY_CONFIG") or config.exists():
        return ""
    return "; DREGSY_CONFIG is not set: let it name the config file"


def stale_after(environment: Mapping[str, str] = os.environ) -> float:
    """DREGSY_STALE_AFTER: seconds that a mirror may be behind at least before it is stale. Raises: SettingsError."""
    text = environment.get("DREGSY_STALE_AFTER") or str(AFTER)
    try:
        after = float(text)
    except ValueError:
        raise SettingsError(f"DREGSY_STALE_AFTER is '{text}', which is not a number of seconds") from None
    if not 0 <= after < float("inf"):
        raise SettingsError(f"DREGSY_STALE_AFTER is {text}; it must be at least 0")
    return after


def value_or_file(name: str, environment: Mapping[str, str] = os.environ) -> str:
    """A variable that holds a secret, or what stands in the file that ``NAME_FILE`` names; '' for neither.

    Raises: SettingsError: there is no such file.
    """
    path = environment.get(f"{name}_FILE")
    if not path:
        return environment.get(name, "")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is no text"
        raise SettingsError(f"{name}_FILE: '{path}' cannot be read: {reason}") from None
