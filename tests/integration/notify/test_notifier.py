"""Failed, stale and recovered each arrive once, signed, whatever the receiver does for a while."""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Iterator

import pytest

from dregsy_queue.ledger.connection import Connection, connect
from dregsy_queue.ledger.keys import key
from dregsy_queue.ledger.outcome import Copied, Failed
from dregsy_queue.notify.notifier import Notifier
from dregsy_queue.notify.webhook import Format, Webhook
from tests.integration.ledger.conftest import Ledger, image
from tests.lab.cluster import Cluster
from tests.lab.dregsy import location, mapping, task, write_config
from tests.lab.processes import wait_until
from tests.lab.receiver import Receiver
from tests.lab.registry import Registry


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


def _end_run(ledger: Ledger, *errors: str) -> None:
    ledger.worker()
    ledger.planned([image(n) for n in range(len(errors))], task="mirror")
    for error in errors:
        claim = ledger.claim(ledger.admission.admit(1)[0])
        ledger.claims.settle(claim, Failed(error) if error else Copied("sha256:1"), 1)


def _everything(redis: Connection) -> str:
    texts = []
    for name in redis.scan_iter("*", count=1000):
        for read in (redis.get, redis.hgetall, lambda name: redis.zrange(name, 0, -1)):
            try:
                texts.append(str(read(name)))
            except Exception:
                continue
    return "\n".join(texts)


def test_each_change_arrives_once_and_signed(
    redis_url: str, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    ledger, secret = Ledger(redis_url), "a key for signing"
    hook = Webhook(receiver.url, secret, stale_after=100)
    # two schedulers
    notifiers = [Notifier(ledger.redis, hook, first=0.01) for _ in range(2)]
    receiver.refusals = 3

    def settle() -> list[str]:
        for notifier in notifiers:
            notifier.look()

        def delivered() -> bool:
            for notifier in notifiers:
                notifier.deliver()
            return ledger.redis.zcard(key("outbox")) == 0

        wait_until(delivered)
        return [request.event["event"] for request in receiver.arrived]

    assert settle() == []
    _end_run(ledger, "", "refused by the registry", "refused by the registry")
    with caplog.at_level(logging.WARNING):
        assert settle() == ["failed"]
    assert len(receiver.received) == 4, "three answers of 500, then it arrived"
    assert settle() == ["failed"], "nothing changed"
    _end_run(ledger, "refused by the registry")
    assert settle() == ["failed"], "it fails as before"
    # the oldest change has been waiting for long
    pipeline = ledger.redis.pipeline(transaction=True)
    pipeline.hset(key("pending", "mirror"), mapping={image(0).target: f"{ledger.redis.time()[0] - 101} 1"})
    pipeline.execute()
    assert settle() == ["failed", "stale"]
    ledger.redis.delete(key("pending", "mirror"))
    _end_run(ledger, "", "")
    assert settle() == ["failed", "stale", "recovered"]

    failed = receiver.arrived[0]
    assert failed.event["failed"] == 2 and failed.event["reasons"][0]["images"] == 2
    assert failed.event["text"].startswith("Sync task mirror: 2 of 3 images failed: refused by")
    for request in receiver.received:
        expected = "sha256=" + hmac.new(secret.encode(), request.body, hashlib.sha256).hexdigest()
        assert request.headers["X-Dregsy-Signature"] == expected
    ids = [request.headers["X-Dregsy-Delivery"] for request in receiver.received]
    assert len(set(ids)) == 3 and len(set(ids[:4])) == 1, "tries of one letter have one id"
    shown = _everything(ledger.redis) + caplog.text + "".join(request.body.decode() for request in receiver.received)
    assert "secret-of-the-url" not in shown and secret not in shown


@pytest.mark.parametrize("form", ["json", "slack"])
def test_no_secret_of_an_error_gets_into_a_body(redis_url: str, receiver: Receiver, form: Format) -> None:
    ledger, secrets = Ledger(redis_url), ("hunter2-of-bob", "eyJhbGciOi.token", "key-in-a-query")
    _end_run(
        ledger,
        f"GET https://bob:{secrets[0]}@registry.example.com/v2/ failed",
        f"refused with Authorization: Bearer {secrets[1]}",
        f"https://s3.example.com/blob?X-Amz-Signature={secrets[2]} is gone",
    )
    notifier = Notifier(ledger.redis, Webhook(receiver.url, format=form))
    notifier.look()
    assert notifier.deliver() == 1
    (request,) = receiver.received
    assert b"registry.example.com" in request.body
    assert [secret for secret in secrets if secret.encode() in request.body] == []


def test_slack(redis_url: str, receiver: Receiver) -> None:
    ledger = Ledger(redis_url)
    _end_run(ledger, "no such repository")
    notifier = Notifier(ledger.redis, Webhook(receiver.url, format="slack"))
    notifier.look()
    assert notifier.deliver() == 1
    assert receiver.arrived[0].event == {"text": "Sync task mirror: 1 of 1 images failed: no such repository"}


def test_a_scheduler_tells(cluster: Cluster, source: Registry, target: Registry, receiver: Receiver) -> None:
    url = cluster.folder / "url"
    url.write_text(receiver.url + "\n")
    config = write_config(cluster.folder, task("t", location(source), location(target), mapping("no/such")))
    cluster.worker(config, "w")
    scheduler = cluster.beat(config, DREGSY_WEBHOOK_URL_FILE=str(url))
    wait_until(lambda: receiver.arrived, what="a notification")
    assert receiver.arrived[0].event["event"] == "failed"
    assert receiver.arrived[0].event["task"] == "t"
    assert "secret-of-the-url" not in scheduler.log.read_text() + _everything(connect(cluster.redis.url))
