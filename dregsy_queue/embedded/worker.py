"""The worker of one-command mode, as a process: `workers.alone`, which is named here and not imported, because the
control plane does not depend on the data plane."""

from __future__ import annotations

import sys
from importlib import import_module

from dregsy_queue import logs
from dregsy_queue.loading import loading


def main(name: str, slots: int) -> int:
    """Run until SIGTERM, with so many jobs at once; returns the exit code."""
    logs.configure()
    with loading():
        alone = import_module("workers.alone")
    code: int = alone.main(name, slots)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
