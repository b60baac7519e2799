"""What the display of one-command mode says, on terminals of several widths."""

from __future__ import annotations

import io
import time
from dataclasses import replace

import pytest
from rich.console import Console

from dregsy_queue.embedded.live import LiveDisplay
from dregsy_queue.embedded.progress import Progress
from dregsy_queue.ledger.presence import Moved
from dregsy_queue.ledger.report import RunCounts, RunningJob
from dregsy_queue.ledger.waiting import Waiting

RUN = RunCounts(
    "1-ab", "shop", "running", copied=3, up_to_date=4, failed=1, cancelled=0, open=2, unplanned=0, started=0, ended=0
)
LONG = "1234.dkr.ecr.eu-central-1.amazonaws.com/team/application"


def _job(name: str, age: float = 20, moved: Moved | None = None) -> RunningJob:
    return RunningJob(f"{name}:1.2.3", f"mirror.example/{name}:1.2.3", time.time() - age, moved=moved)


def _shown(progress: Progress, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    display = LiveDisplay(console)
    display.show(progress)
    with console.capture() as captured:
        console.print(display._render())
    lines = captured.get().splitlines()
    assert max(map(len, lines)) <= width
    return lines


@pytest.mark.parametrize("width", [44, 60, 80, 120])
def test_bytes_and_tags_are_seen_on_every_width(width: int) -> None:
    jobs = [_job("docker.io/web", moved=Moved(3_400_000, 1_200_000.0)), _job(LONG), _job("docker.io/new", age=1)]
    shown = _shown(Progress([RUN], jobs, [], sent=6_600_000), width)
    assert "syncing  10.0 MB" in shown[0] and "8 of 10  3 copied, 4 up to date" in shown[1]
    assert "3.4 MB, 1.2 MB/s" in shown[2] and ":1.2.3" in shown[2]
    assert "unknown bytes" in shown[3] and "1.2.3" in shown[3], "a relay that does not tell; the tag is not cut"
    assert "unknown" not in shown[4], "its worker cannot have told yet"


def test_what_it_does_now() -> None:
    waits = Waiting("shop", 2, "docker.io refuses the connection (attempt 3 of 6)", 9.0, host="docker.io")
    assert Progress([], [], [], 0).phase() == "starting"
    assert Progress([replace(RUN, state="planning")], [], [], 0).phase() == "planning"
    waiting = Progress([RUN], [], [waits], 0)
    assert waiting.phase() == "waiting for docker.io"
    assert waiting.reasons() == ["shop: 2 images: docker.io refuses the connection (attempt 3 of 6), next in 9 s"]
    ended = replace(RUN, state="done", open=0)
    assert Progress([ended], [], [], 0).phase() == "idle"
    assert Progress([ended], [], [], 0, ("shop", time.time())).phase().startswith("idle, next run of shop at ")
