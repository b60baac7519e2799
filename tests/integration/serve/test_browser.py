"""The page in a real browser: alive without a reload, readable without scripts, on a phone, orders with a token."""

from __future__ import annotations

from pathlib import Path

import pytest

from dregsy_queue.ledger.holds import Holds
from dregsy_queue.ledger.outcome import Copied
from dregsy_queue.ledger.presence import Moved
from dregsy_queue.ledger.registry_limits import RegistryLimiter
from tests.integration.ledger.conftest import Ledger, image
from tests.integration.serve.conftest import NAME, TOKEN
from tests.lab.browser import no_browser
from tests.lab.processes import wait_until
from tests.lab.redis import RedisServer
from tests.lab.tab import Tab

pytestmark = pytest.mark.skipif(no_browser() is not None, reason=str(no_browser()))

#: as long as names of clouds are, and nowhere to break
LONG = f"{'1234567890' * 3}.dkr.ecr.eu-central-1.amazonaws.com/{'team' * 12}/{'application' * 6}:1.2.3-rc.4"


def test_what_happens_appears_without_a_reload(
    ledger: Ledger, page: str, redis_server: RedisServer, tmp_path: Path
) -> None:
    ledger.planned([image(7, task="later")], task="later")
    with Tab(tmp_path) as tab:
        tab.open(page)
        assert "1 transfer running" in tab.text() and "src.example/later:7" not in tab.text()
        tab.evaluate("window.opened = 1")
        job = ledger.claim(ledger.admission.admit(1)[0])
        wait_until(lambda: "src.example/later:7" in tab.text(), 30, "the transfer to appear")
        assert "2 transfers running" in tab.text()
        ledger.presence.heartbeat("w1", slots=4, kinds=["plan"], moved={job.job: Moved(34_500_000, 2_100_000)})
        wait_until(lambda: "34.5 MB, 2.1 MB/s" in tab.text(), 30, "its bytes to appear")
        ledger.claims.settle(job, Copied("sha256:7"), 1.5)
        wait_until(lambda: "src.example/later:7" not in tab.text(), 30, "the transfer to be gone")
        assert tab.evaluate("window.opened") == 1, "the page was not loaded again"
        assert [url for url in tab.requests if not url.startswith((page, "data:"))] == []
        # A page that hears nothing more does not pass for a fresh one.
        tab.offline(True)
        note = "getComputedStyle(document.querySelector('header'), '::after').content"
        wait_until(lambda: "not connected" in tab.evaluate(note), 30, "the page to say that it is old")
        tab.offline(False)
        wait_until(lambda: "not connected" not in tab.evaluate(note), 30, "the page to be fresh again")
        redis_server.kill()
        wait_until(lambda: "Redis does not answer" in tab.text(), 30, "the page to say so")


def test_without_scripts_everything_can_be_read_and_ordered(ledger: Ledger, page: str, tmp_path: Path) -> None:
    RegistryLimiter(ledger.redis).pause("src.example", 600, "")

    def held() -> bool:
        return ("task", NAME) in Holds(ledger.redis).all()

    with Tab(tmp_path, scripts=False) as tab:
        tab.open(page)
        text = tab.text()
        assert NAME in text, "tasks"
        assert "1 image fails" in text and "no such <script>alert(1)</script> repository" in text, "failures, and why"
        assert "1 transfer running" in text and "src.example/t:2" in text, "what runs"
        assert "dst.example" in text and "for 10 min" in text, "registries"
        tab.click("table a")
        assert "Images of the newest run" in tab.text()
        assert tab.evaluate("document.querySelector('button[value=pause]')") is None, "no order without the token"
        tab.fill("[name=token]", "a guess")
        tab.click("button")
        assert "this is not the token" in tab.text()
        tab.open(f"{page}/task?name={NAME}")
        tab.fill("[name=token]", TOKEN)
        tab.click("button")
        tab.click("button[value=pause]")
        assert "it is paused until it is resumed" in tab.text() and held()
        tab.click("button[value=resume]")
        assert "it goes on" in tab.text() and not held()


def test_on_a_phone_nothing_is_wider_than_the_screen(ledger: Ledger, page: str, tmp_path: Path) -> None:
    ledger.planned([image(8, task="t", target=LONG)], task="x" * 80)
    ledger.claim(ledger.admission.admit(1)[0])
    paths = ("/", f"/task?name={'x' * 80}", f"/task?name={NAME}", "/task?name=no")
    with Tab(tmp_path, width=390, height=844, phone=True) as tab:
        for width, path in [(width, path) for width in (390, 320) for path in paths]:
            tab.resize(width)
            tab.open(page + path)
            wide = tab.evaluate("document.documentElement.scrollWidth")
            beyond = tab.evaluate(
                "[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1)"
                ".map(e => e.outerHTML.slice(0, 80)).join('\\n')"
            )
            assert wide == width and beyond == "", f"{path}: {wide}\n{beyond}"
