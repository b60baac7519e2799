"""The worker of one-command mode, by its name: the distributed one.

It starts without Celery's command line, which takes 0.2 s of CPU to load all its sub-commands. Nobody but one-command
mode reaches its private Redis, so what Celery tells and hears beside its messages is left out.
"""

from __future__ import annotations

import gc
import sys


def main(name: str, slots: int) -> int:
    """Run until a signal ends it, with so many jobs at once; returns the exit code."""
    # As `loading` has it, up to the moment when it takes jobs.
    gc.disable()
    from celery.signals import worker_ready

    from dregsy_queue.celery import app

    worker_ready.connect(_collect)
    # It is no `celery` command: the caller's arguments are not options of a worker.
    sys.argv[1:] = []
    app.conf.update(worker_enable_remote_control=False)
    # Its Redis is private, so there is nobody to gossip with.
    alone = {"without_heartbeat": True, "without_mingle": True, "without_gossip": True}
    worker = app.Worker(hostname=name, concurrency=slots, quiet=True, **alone)
    worker.start()
    return worker.exitcode or 0


def _collect(**_: object) -> None:
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    gc.enable()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
