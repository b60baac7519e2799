"""Flower's view of a cluster: a row per image, from the moment that somebody looks."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import Any

from dregsy_queue.celery import make_app
from tests.lab.cluster import Cluster
from tests.lab.dregsy import location, mapping, task, write_config
from tests.lab.images import push_many
from tests.lab.processes import wait_until
from tests.lab.registry import Registry


def test_who_listens_hears_of_each_image(cluster: Cluster, source: Registry, target: Registry) -> None:
    push_many(source, "lib/app", ["1", "2", "3"])
    sync = task("t", location(source), location(target), mapping("lib/app"))
    config = write_config(cluster.folder, sync, relay="direct")
    cluster.worker(config, "w1")
    heard: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    app = make_app(cluster.redis.url)
    with app.connection_for_read() as connection:
        receiver: Any = app.events.Receiver(
            connection, handlers={"*": lambda event: heard[event["type"]].append(event)}
        )
        listens = threading.Thread(target=lambda: receiver.capture(limit=None, timeout=None, wakeup=False))
        listens.start()
        wait_until(lambda: heard["worker-heartbeat"], what="the worker's mark of life")
        cluster.beat(config)
        cluster.wait_for("t", lambda counts: counts.done and counts.copied == 3)
        wait_until(lambda: len(heard["task-succeeded"]) == 4, what="a plan and three images")
        receiver.should_stop = True
        listens.join()
        rows = {event["uuid"]: event["args"] for event in heard["task-received"]}
        for tag in ("1", "2", "3"):
            assert [row for row in rows.values() if f"lib/app:{tag}" in row]
        for kind in ("task-started", "task-succeeded"):
            assert {event["uuid"] for event in heard[kind]} == set(rows)
