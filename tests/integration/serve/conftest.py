"""A ledger with a run in the middle of its work, and the page that shows it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from dregsy_queue.ledger.jobs import TransferJob
from dregsy_queue.ledger.outcome import Copied, Failed
from tests.integration.ledger.conftest import Ledger, image
from tests.lab.dregsy import BIN
from tests.lab.processes import ManagedProcess, free_port, wait_until

TOKEN = "a token for orders"
#: what must not become markup
NAME = "<b>mirror</b>"


@pytest.fixture
def ledger(redis_url: str) -> Ledger:
    """One task with a failed, a copied and a running image."""
    ledger = Ledger(redis_url)
    ledger.worker()
    ledger.planned([image(n, task="t") for n in range(3)], task=NAME)
    for outcome in (Copied("sha256:1"), Failed("no such <script>alert(1)</script> repository")):
        ledger.claims.settle(ledger.claim(ledger.admission.admit(1)[0]), outcome, 1.5)
    running = ledger.claim(ledger.admission.admit(1)[0])
    assert isinstance(running.transfer, TransferJob)
    return ledger


@pytest.fixture
def page(tmp_path: Path, redis_url: str) -> Iterator[str]:
    token, port = tmp_path / "token", free_port()
    token.write_text(TOKEN + "\n")
    environment = {**os.environ, "DREGSY_REDIS_URL": redis_url, "DREGSY_WEB_TOKEN_FILE": str(token)}
    server = ManagedProcess([str(BIN / "dregsy"), "web", "--port", str(port)], tmp_path / "page", env=environment)
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return requests.get(url, timeout=5).ok
        except requests.ConnectionError:
            return False

    wait_until(answers, what="the page")
    yield url
    server.stop()
    assert TOKEN not in server.output()
