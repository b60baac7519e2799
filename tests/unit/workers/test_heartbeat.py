"""What a worker concludes from its own heartbeat."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dregsy_queue.ledger.in_hand import InHand
from dregsy_queue.ledger.presence import Heard
from workers.coordinator import Coordinator
from workers.meters import Meters


@pytest.mark.parametrize(
    ("before", "not_held", "after", "cancelled"),
    [
        ({"a.1", "b.1"}, set(), {"a.1", "b.1"}, []),
        ({"a.1", "b.1"}, {("b", 1)}, {"a.1", "b.1"}, ["b.1"]),
        # ended between the look at what runs and Redis' answer
        ({"a.1", "b.1"}, {("b", 1)}, {"a.1"}, []),
        # begun in between
        ({"a.1"}, {("c", 1)}, {"a.1", "c.1"}, []),
        # lost, and claimed anew since
        ({"a.1"}, {("a", 1)}, {"a.2"}, []),
    ],
)
def test_only_what_still_runs_can_be_lost(
    before: set[str], not_held: set[tuple[str, int]], after: set[str], cancelled: list[str]
) -> None:
    ended: list[str] = []
    names = iter([before, after])
    services: Any = SimpleNamespace(
        loop=SimpleNamespace(names=lambda: next(names), cancel=ended.append),
        presence=SimpleNamespace(heartbeat=lambda *_, **__: Heard(not_held, [])),
        in_hand=InHand(),
        meters=Meters(),
        settings=SimpleNamespace(alone=False),
    )
    relays: Any = SimpleNamespace(offered=[])
    Coordinator(services, relays, "w", slots=1).heartbeat()
    assert ended == cancelled
