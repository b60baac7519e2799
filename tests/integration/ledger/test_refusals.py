"""A Redis that refuses for a while when a worker wants a job."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from dregsy_queue.ledger.keys import key
from dregsy_queue.settings import from_environment
from tests.integration.ledger.conftest import Ledger, image
from tests.lab.redis import RedisServer
from workers.jobs import run
from workers.worker import Worker


def test_a_job_that_could_not_be_claimed_is_claimed_when_redis_takes_writes(
    ledger: Ledger, redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "c.yaml").write_text("relay: skopeo\ntasks: []\n")
    settings = from_environment({"DREGSY_CONFIG": str(tmp_path / "c.yaml"), "DREGSY_REDIS_URL": redis_server.url})
    worker = Worker(settings, "w1@lab", slots=4, send=lambda _: None)
    monkeypatch.setattr(worker.services, "dispatch", lambda: None)
    ledger.worker()
    ledger.worker(worker.name)
    ledger.planned([image(1)])
    (admitted,) = ledger.admission.admit()
    client: Any = redis_server.client()
    client.config_set("min-replicas-to-write", "1")
    refused = threading.Timer(3, lambda: client.config_set("min-replicas-to-write", "0"))
    refused.start()
    run.run(worker, admitted.job, admitted.epoch)
    refused.join()
    assert ledger.redis.zcard(key("admitted", "skopeo")) == 0
    counts = ledger.reader.newest("t")
    assert counts and counts.cancelled == 1, "claimed, and dropped: this config does not have its task"
    worker.services.close()
