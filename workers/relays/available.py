"""Makes the relays that a config uses. Which there are says `dregsy_queue/kinds.py`."""

from __future__ import annotations

from importlib import import_module

from dregsy_queue.config.models import Config
from dregsy_queue.config.selection import relay_of
from dregsy_queue.kinds import RelayName
from dregsy_queue.settings import Settings
from workers.relays.relay import Relay


def make_relays(config: Config, settings: Settings) -> dict[str, Relay]:
    """Every relay that the tasks of `config` use, by name; what the others need is not even imported."""
    return {name: make(name, config, settings) for name in sorted({relay_of(config, task) for task in config.tasks})}


def make(name: RelayName, config: Config, settings: Settings) -> Relay:
    """One relay: what `make` in ``workers/relays/NAME/relay.py`` returns."""
    relay: Relay = import_module(f"workers.relays.{name}.relay").make(config, settings)
    return relay
