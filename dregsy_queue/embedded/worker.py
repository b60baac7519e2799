"""The worker of one-command mode, by its name: the distributed one.

It starts without Celery's command line, which takes 0.2 s of CPU to load all its sub-commands.
"""

from __future__ import annotations

import gc
import sys


def main(name: str) -> int:
    """Run until a signal ends it; returns the exit code."""
    # Imports make many objects and no garbage: looking for it costs a tenth of the start.
    gc.set_threshold(50_000, 20, 20)
    from dregsy_queue.celery import app

    # Its Redis is private, so there is nobody to gossip with.
    worker = app.Worker(hostname=name, quiet=True, without_heartbeat=True, without_mingle=True, without_gossip=True)
    worker.start()
    return worker.exitcode or 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
