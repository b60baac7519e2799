"""What can be ordered from the page?"""

from __future__ import annotations

from dregsy_queue.ledger.connection import Connection
from dregsy_queue.ledger.orders import Orders, names_of
from dregsy_queue.ledger.report import RunReader

#: Verb → what a button says.
VERBS = {"run": "Run now", "retry": "Retry what failed", "cancel": "Cancel", "pause": "Pause", "resume": "Resume"}


class UnknownOrderError(ValueError):
    """There is no such verb or task."""


def give(connection: Connection, verb: str, task: str) -> str:
    """Carry out an order; returns what came of it, in one sentence. Raises: UnknownOrderError, RedisError."""
    if verb not in VERBS or task not in names_of(connection, ()):
        raise UnknownOrderError
    orders, newest = Orders(connection), RunReader(connection).newest(task)
    if verb == "run":
        orders.run(task)
        return "a run is ordered; it starts when a scheduler or worker has seen the order"
    if verb == "pause":
        orders.hold("task", task, 0, "from the page")
        return "it is paused until it is resumed"
    if verb == "resume":
        return "it goes on" if orders.release("task", task) else "it was not paused"
    if newest is None:
        return "it never ran"
    if verb == "cancel":
        return f"run {newest.run} is cancelled" if orders.cancel(newest.run) else f"run {newest.run} has ended already"
    done = orders.retry(newest.run)
    if done is None or not (done.jobs or done.planning or done.active):
        return f"nothing of run {newest.run} has failed"
    return f"run {done.active} is active and takes up what failed" if done.active else "what failed is tried again"
