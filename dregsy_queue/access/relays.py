"""Does what copies the images work on this machine?

Relays belong to workers, which nothing here may import; they are looked up by name, as Celery looks up handlers.
"""

from __future__ import annotations

import asyncio
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, cast

from dregsy_queue.config.models import Config
from dregsy_queue.settings import Settings

#: What makes the relays that a config uses, by kind.
_RELAYS = "workers.relays.available:make_relays"


class Relay(Protocol):
    async def problem(self) -> str | None:
        """Why it cannot work here, as a sentence; None when it can."""


class MakeRelays(Protocol):
    def __call__(self, config: Config, settings: Settings) -> Mapping[str, Relay]: ...


@dataclass(frozen=True)
class RelayFinding:
    #: as configs name it
    relay: str
    #: why it does not work here; empty when it does
    problem: str

    @property
    def reason(self) -> str:
        """One word for programs: ``no-skopeo``, ``no-docker``; empty when it works."""
        return f"no-{self.relay}" if self.problem else ""


async def look(config: Config, settings: Settings) -> list[RelayFinding]:
    """Each relay that the tasks of `config` use."""
    make = cast(MakeRelays, pkgutil.resolve_name(_RELAYS))
    relays = sorted(make(config, settings).items())
    problems = await asyncio.gather(*(relay.problem() for _, relay in relays))
    return [RelayFinding(kind, problem or "") for (kind, _), problem in zip(relays, problems, strict=True)]
