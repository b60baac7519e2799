"""The worker of one-command mode, by its name: the distributed one.

It starts without Celery's command line, which takes 0.2 s of CPU to load all its sub-commands. Nobody but one-command
mode reaches its private Redis, so what Celery tells and hears beside its messages is left out.
"""

from __future__ import annotations

import gc
import sys


def main(name: str) -> int:
    """Run until a signal ends it; returns the exit code."""
    # Imports create many objects and no garbage; collecting meanwhile costs a tenth of the start-up.
    gc.set_threshold(50_000, 20, 20)
    from dregsy_queue.celery import app

    # It is no `celery` command: the caller's arguments are not options of a worker.
    sys.argv[1:] = []
    app.conf.update(worker_enable_remote_control=False)
    worker = app.Worker(hostname=name, quiet=True, without_heartbeat=True, without_mingle=True, without_gossip=True)
    worker.start()
    return worker.exitcode or 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
