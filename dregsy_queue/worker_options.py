"""Which options of ``celery worker`` cannot be used with this application?"""

from __future__ import annotations

from collections.abc import Sequence


def wrong_option(arguments: Sequence[str]) -> str | None:
    """One line on what is wrong in a command line of Celery's, and what to do; None when all is well."""
    if "worker" not in arguments:
        return None
    pool = _value(arguments, "--pool", "-P")
    if pool not in (None, "threads"):
        return (
            f"dregsy_queue runs its jobs in threads, its default, and cannot with the pool '{pool}': "
            "leave out -P (--pool); -c (--concurrency) sets how many jobs run at once"
        )
    if _value(arguments, "--autoscale", "") is not None:
        return (
            "dregsy_queue cannot use --autoscale, waiting jobs cost a worker nothing: leave it out; -c (--concurrency) "
            "sets how many jobs run at once"
        )
    return None


def _value(arguments: Sequence[str], long: str, short: str) -> str | None:
    """What an option was given; "" for one without a value; None when it is not there."""
    for index, argument in enumerate(arguments):
        if argument in (long, short) and argument:
            return arguments[index + 1] if index + 1 < len(arguments) else ""
        if argument.startswith(f"{long}="):
            return argument.partition("=")[2]
        if short and argument.startswith(short) and not argument.startswith("--"):
            return argument.removeprefix(short).removeprefix("=")
    return None
