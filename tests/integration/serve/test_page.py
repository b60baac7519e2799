"""The page, as browsers and scripts see it: what it shows, who may give orders, and what it never shows."""

from __future__ import annotations

import requests

from dregsy_queue.ledger.holds import Holds
from tests.integration.ledger.conftest import Ledger
from tests.integration.serve.conftest import NAME, TOKEN


def test_reading_needs_no_script_and_no_token(ledger: Ledger, page: str) -> None:
    answer = requests.get(page, timeout=10)
    text = answer.text
    assert "&lt;b&gt;mirror&lt;/b&gt;" in text and NAME not in text and "<script>alert" not in text
    assert "no such &lt;script&gt;" in text, "why an image fails"
    assert "1 transfer running" in text and "src.example/t:2" in text
    assert "no scheduler lives" in text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert all(part not in text for part in ("https://", "http://")), "nothing from outside"
    task = requests.get(f"{page}/task", params={"name": NAME}, timeout=10).text
    assert "<svg" in task and "run 1" in task
    assert 'class="verdict wrong"' in task and "no scheduler lives" in task
    assert 'action="/order"' not in task and 'action="/sign-in"' in task
    assert requests.get(f"{page}/task?name=no", timeout=10).status_code == 404
    assert requests.get(f"{page}/static/..%2fserver.py", timeout=10).status_code == 404


def test_an_order_needs_the_token(ledger: Ledger, page: str) -> None:
    order, guess = {"task": NAME, "verb": "pause"}, {"dregsy": "9999999999.00"}

    def held() -> bool:
        return ("task", NAME) in Holds(ledger.redis).all()

    assert requests.post(f"{page}/order", data=order, timeout=10).status_code == 403
    assert requests.post(f"{page}/sign-in", data={"token": "guessed"}, timeout=10).status_code == 403
    assert requests.post(f"{page}/order", data=order, cookies=guess, timeout=10).status_code == 403
    assert not held()
    browser = requests.Session()
    back = browser.post(f"{page}/sign-in", data={"token": TOKEN, "back": "//evil.example"}, timeout=10)
    assert back.url == f"{page}/"
    given = back.history[0].headers["Set-Cookie"]
    assert "HttpOnly" in given and "SameSite=Strict" in given and TOKEN not in given
    foreign = browser.post(f"{page}/order", data=order, headers={"Origin": "http://evil.example"}, timeout=10)
    assert foreign.status_code == 403 and not held()
    said = browser.post(f"{page}/order", data=order, timeout=10)
    assert said.ok and "it is paused" in said.text and held()
    assert browser.post(f"{page}/order", data={**order, "verb": "drop"}, timeout=10).status_code == 400
    again = requests.post(
        f"{page}/order", data={**order, "verb": "resume"}, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10
    )
    assert again.ok and not held()


def test_redis_away(ledger: Ledger, page: str, redis_server: object) -> None:
    redis_server.kill()  # type: ignore[attr-defined]
    answer = requests.get(page, timeout=30)
    assert answer.status_code == 503 and "Redis does not answer" in answer.text
