"""Which relays there are: a new one is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable

from dregsy_queue.config.models import Config
from dregsy_queue.settings import Settings
from workers.relays.docker.relay import DockerRelay
from workers.relays.relay import Relay
from workers.relays.skopeo.relay import SkopeoRelay


def make_relays(config: Config, settings: Settings) -> dict[str, Relay]:
    """Every relay that the tasks of `config` use, by kind."""
    makers: dict[str, Callable[[], Relay]] = {
        "skopeo": lambda: SkopeoRelay(config.skopeo.binary, settings.stalled),
        "docker": lambda: DockerRelay(config.docker_settings),
    }
    used = {task.relay or config.relay for task in config.tasks}
    return {kind: make() for kind, make in makers.items() if kind in used}
