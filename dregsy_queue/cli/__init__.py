"""The `dregsy` command: one file per sub-command, and dregsy's own way of calling it."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from dregsy_queue.cli.interrupts import end_at_once


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point. Exit codes: 0 good, 1 something failed, 2 wrong usage of a sub-command, 130 and 143 after a signal.

    Called as dregsy is, it ends with 1 for wrong usage too. Without `arguments` those of this process are taken, and
    its signals too.
    """
    if arguments is None:
        end_at_once()
    # Late: a signal may come while this is loaded.
    from dregsy_queue.cli.call import call

    call(list(sys.argv[1:] if arguments is None else arguments))
