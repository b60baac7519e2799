"""What the slots of a worker share."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis import RedisError

from dregsy_queue.settings import from_environment
from workers import services


@pytest.mark.parametrize("error", [RedisError("gone"), ConnectionError("gone")])
def test_a_message_that_cannot_be_sent_ends_nothing(error: Exception, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("relay: skopeo\ntasks: []\n")

    def fail(*_: object) -> int:
        raise error

    shared = services.Services(from_environment({"DREGSY_CONFIG": str(config)}), fail)
    shared.dispatch()
    assert shared.wake.wait(10), "the coordinator looks again at once"
    shared.close()
