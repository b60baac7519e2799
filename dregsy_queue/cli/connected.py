"""A connection to the cluster's Redis, for commands that ask or tell it something."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import IO, Any, TextIO, cast

import click
from redis import AuthenticationError, RedisError, ResponseError

from dregsy_queue import settings
from dregsy_queue.cli.streams import is_output_error
from dregsy_queue.ledger.connection import Connection, connect
from dregsy_queue.ledger.outages import plainly


class Refused(click.ClickException):
    """What was asked for cannot be done: a text that fits a terminal, and exit code 1."""

    def show(self, file: IO[Any] | None = None) -> None:
        from dregsy_queue.terminal import lines, write

        write(lines(f"Error: {self.format_message()}"), cast(TextIO, file or sys.stderr))


@contextlib.contextmanager
def connected() -> Iterator[Connection]:
    """The ledger; a Redis that does not answer is one line and exit code 1."""
    connection = connect(settings.from_environment().redis_url, patient=False)
    try:
        yield connection
    except (RedisError, OSError) as error:
        if isinstance(error, OSError) and (isinstance(error, BrokenPipeError) or is_output_error(error)):
            # Who reads the output has gone, or it is full: nothing of Redis, whose errors are its library's own.
            raise
        click.echo(trouble(error), err=True)
        raise SystemExit(1) from None
    finally:
        connection.close()


def trouble(error: Exception) -> str:
    """One line: it does not answer, or it refuses what it was asked (it is full, a replica, wants a password)."""
    if isinstance(error, ResponseError | AuthenticationError):
        # Redis names the script and its line: of no use here.
        return f"Redis refuses: {plainly(error).partition(' script: ')[0].rstrip('.')}"
    return f"Redis does not answer: {error}{hint()}"


def hint() -> str:
    """Where to say which Redis it is, if nobody did."""
    return "" if os.environ.get("DREGSY_REDIS_URL") else " (DREGSY_REDIS_URL is not set; --redis names one, too)"
