"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])


def config_file(command: _Command) -> _Command:
    """The config file, as `config`: an argument, or ``-c FILE``, or DREGSY_CONFIG."""
    option = click.option(
        "-c",
        "--config",
        "option",
        metavar="FILE",
        type=click.Path(path_type=Path),
        expose_value=False,
        is_eager=True,
        callback=lambda context, _, value: context.meta.__setitem__("config", value),
        help="The config file; the same as FILE. Default: the one that DREGSY_CONFIG names.",
    )
    argument = click.argument(
        "config", metavar="[FILE]", required=False, type=click.Path(path_type=Path), callback=_choose
    )
    return option(argument(command))


def _choose(context: click.Context, _: click.Parameter, value: Path | None) -> Path | None:
    option: Path | None = context.meta.get("config")
    if value and option:
        raise click.UsageError(f"two config files: '{value}' and '{option}'", context)
    chosen = value or option or (Path(os.environ["DREGSY_CONFIG"]) if os.environ.get("DREGSY_CONFIG") else None)
    if chosen is None and not context.resilient_parsing:
        raise click.UsageError("Missing option '-c' / '--config': which config file?", context)
    return chosen


def cluster(command: _Command) -> _Command:
    """``--redis``: what DREGSY_REDIS_URL is for this call."""
    return click.option(
        "--redis",
        metavar="URL",
        expose_value=False,
        is_eager=True,
        callback=_redis,
        help="The cluster's Redis. Default: DREGSY_REDIS_URL, else redis://127.0.0.1:6379/0.  "
        "Put a password into DREGSY_REDIS_URL: other users can see arguments.",
    )(command)


def logging(command: _Command) -> _Command:
    """``-v``, ``-q``, ``--log-format``: what LOG_LEVEL and LOG_FORMAT are for this call."""
    options = (
        click.option(
            "-v", "verbose", count=True, expose_value=False, callback=_level({1: "debug", 2: "trace"}),
            help="Log more; -vv: everything.",
        ),
        click.option(
            "-q", "quiet", count=True, expose_value=False, callback=_level({1: "warn", 2: "error"}),
            help="Log warnings and errors only; -qq: errors only.",
        ),
        click.option(
            "--log-format",
            type=click.Choice(["text", "json"]),
            expose_value=False,
            callback=_set("LOG_FORMAT"),
            help="Format of log lines. Default: text on a terminal, else JSON.",
        ),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def _redis(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if not value:
        return
    from dregsy_queue.ledger import redis_url

    try:
        redis_url.check(value)
    except redis_url.AddressError as error:
        raise click.UsageError(f"--redis {error}", context) from None
    os.environ["DREGSY_REDIS_URL"] = value


def _set(name: str) -> Callable[[click.Context, click.Parameter, str | None], None]:
    def store(_: click.Context, __: click.Parameter, value: str | None) -> None:
        if value:
            os.environ[name] = value

    return store


def _level(levels: dict[int, str]) -> Callable[[click.Context, click.Parameter, int], None]:
    def store(_: click.Context, __: click.Parameter, number: int) -> None:
        if number:
            os.environ["LOG_LEVEL"] = levels[min(number, max(levels))]

    return store
