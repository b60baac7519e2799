"""Options of Celery's worker that would make it hang, or drop messages."""

from __future__ import annotations

import pytest

from dregsy_queue.worker_options import wrong_option


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("worker -P gevent", "'gevent'"),
        ("worker -Pprefork -c 4", "'prefork'"),
        ("worker --pool=eventlet", "'eventlet'"),
        ("worker --pool solo", "'solo'"),
        ("worker --autoscale=10,2", "--autoscale"),
        ("worker --autoscale 10,2", "--autoscale"),
    ],
)
def test_what_cannot_work_is_told_with_what_to_do(line: str, word: str) -> None:
    told = wrong_option(["celery", "-A", "dregsy_queue", *line.split()])
    assert told and word in told and "leave" in told and "\n" not in told


@pytest.mark.parametrize("line", ["worker", "worker -P threads -c 4", "worker --pool=threads -n P@x", "flower -P x"])
def test_the_others_are_as_celery_has_them(line: str) -> None:
    assert wrong_option(["celery", "-A", "dregsy_queue", *line.split()]) is None
