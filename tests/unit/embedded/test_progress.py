"""What the display of one-command mode says, on terminals of several widths."""

from __future__ import annotations

import io
import logging
from dataclasses import replace

import pytest
from rich.console import Console

from dregsy_queue.embedded.live import LiveDisplay
from dregsy_queue.embedded.progress import LINE_EVERY, LineDisplay, Progress
from dregsy_queue.ledger.presence import Moved
from dregsy_queue.ledger.report import RunCounts, RunningJob
from dregsy_queue.ledger.waiting import Waiting
from tests.lab.clock import FakeClock

NOW = FakeClock().time()
RUN = RunCounts(
    "1-ab", "shop", "running", copied=3, up_to_date=4, failed=1, cancelled=0, open=2, unplanned=0, started=0, ended=0
)
LONG = "1234.dkr.ecr.eu-central-1.amazonaws.com/team/application"


def _job(name: str, age: float = 20, moved: Moved | None = None) -> RunningJob:
    return RunningJob(f"{name}:1.2.3", f"mirror.example/{name}:1.2.3", NOW - age, moved=moved)


def _shown(progress: Progress, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    display = LiveDisplay(console, FakeClock())
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
    assert Progress([], [], [], 0).phase(NOW) == "starting"
    assert Progress([replace(RUN, state="planning")], [], [], 0).phase(NOW) == "planning"
    waiting = Progress([RUN], [], [waits], 0)
    assert waiting.phase(NOW) == "waiting for docker.io"
    assert waiting.reasons() == ["shop: 2 images: docker.io refuses the connection (attempt 3 of 6), next in 9 s"]
    plans = Progress([RUN], [], [replace(waits, planning=True)], 0)
    assert plans.reasons()[0].startswith("shop: planning: docker.io refuses"), "a plan is no image"
    ended = replace(RUN, state="done", open=0)
    assert Progress([ended], [], [], 0).phase(NOW) == "idle"
    assert Progress([ended], [], [], 0, ("shop", NOW)).phase(NOW).startswith("idle, next run of shop at ")


def test_lines_come_seldom_and_only_when_something_moved(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    display, before = LineDisplay(clock), Progress([RUN], [_job("web")], [], 0)
    after = replace(before, runs=[replace(RUN, copied=4, open=1)])

    def told(progress: Progress, seconds: float) -> list[str]:
        clock.pause(seconds)
        caplog.clear()
        display.show(progress)
        return [record.message for record in caplog.records]

    with caplog.at_level(logging.INFO):
        assert told(before, LINE_EVERY - 1) == []
        assert told(before, 1) == ["8 of 10 images done, 1 transfer running"]
        assert told(before, LINE_EVERY) == [], "nothing moved"
        assert told(after, LINE_EVERY - 1) == []
        assert told(after, 1) == ["9 of 10 images done, 1 transfer running"]
        nothing_yet = replace(RUN, state="planning", copied=0, up_to_date=0, failed=0, cancelled=0, open=0)
        plans = Progress([nothing_yet], [], [Waiting("shop", 1, "docker.io refuses", 9.0, planning=True)], 0)
        assert told(plans, LINE_EVERY) == ["waiting: shop: planning: docker.io refuses, next in 9 s"]
