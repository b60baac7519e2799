"""A Redis for the model, and the machine on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dregsy_queue.ledger import claims, orders, runs, scripts
from tests.lab.redis import RedisServer

from . import machine
from .direct import Direct
from .machine import Machine
from .redis_side import BETWEEN

MakeMachine = Callable[[type[Machine]], type[Machine]]


@pytest.fixture
def on_redis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeMachine]:
    """Gives a machine a Redis of its own."""
    monkeypatch.setattr(scripts, "between", BETWEEN)
    monkeypatch.setattr(runs, "outlast", lambda call: call())
    for module in (runs, claims, orders):
        monkeypatch.setattr(module.secrets, "token_hex", lambda _: f"{next(machine.tokens):08x}")
    server = RedisServer(tmp_path / "redis", unix_socket=True).start()
    direct = Direct(str(server.socket))
    with server.client() as client:
        yield lambda kind: type(kind.__name__, (kind,), {"direct": direct, "client": client})
    direct.close()
    server.kill()
