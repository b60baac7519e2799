"""What a worker concludes from its own heartbeat."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from workers.coordinator import Coordinator


@pytest.mark.parametrize(
    ("before", "held", "after", "lost"),
    [
        ({"a", "b"}, {"a", "b"}, {"a", "b"}, []),
        ({"a", "b"}, {"a"}, {"a", "b"}, ["b"]),
        # ended between the look at what runs and Redis' answer
        ({"a", "b"}, {"a"}, {"a"}, []),
        # begun in between
        ({"a"}, {"a"}, {"a", "c"}, []),
    ],
)
def test_only_what_still_runs_can_be_lost(before: set[str], held: set[str], after: set[str], lost: list[str]) -> None:
    cancelled: list[str] = []
    names = iter([before, after])
    services: Any = SimpleNamespace(
        loop=SimpleNamespace(names=lambda: next(names), cancel=cancelled.append),
        presence=SimpleNamespace(heartbeat=lambda *_, **__: held),
    )
    relays: Any = SimpleNamespace(offered=[])
    Coordinator(services, relays, "w", slots=1).heartbeat()
    assert cancelled == lost
