"""One process keeps to the config's `requests` by itself."""

from __future__ import annotations

from dregsy_queue.access.local_pacer import LocalPacer
from dregsy_queue.config.models import Config
from tests.lab.clock import FakeClock


async def test_no_window_has_more_requests_than_the_config_allows() -> None:
    config = Config.model_validate({"tasks": [], "registries": {"r.example": {"requests": "3/10s"}}})
    clock = FakeClock()
    pacer, sent = LocalPacer(config, clock), []
    for _ in range(8):
        async with pacer.request("r.example"):
            sent.append(clock.now)
    assert sent == [1000] * 3 + [1010] * 3 + [1020] * 2
    async with pacer.request("other.example"):
        assert clock.now == 1020, "another registry has no limit"
