"""Logging as dregsy has it: levels, JSON or text, and fields, by four environment variables.

``LOG_LEVEL`` (fatal, error, warn, info, debug, trace), ``LOG_FORMAT`` (json, text; by default text on a terminal
and JSON elsewhere), ``LOG_FORCE_COLORS`` and ``LOG_METHODS`` (the caller in each line).
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from dregsy_queue.redact import scrub
from dregsy_queue.terminal import printable

TRACE = 5
LEVELS = {
    "panic": logging.CRITICAL,
    "fatal": logging.CRITICAL,
    "error": logging.ERROR,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
    "trace": TRACE,
}
#: Fields that hold names, which no secret cuts; all others may hold what somebody else wrote.
_NAME_FIELDS = frozenset(
    (
        "task",
        "run",
        "job",
        "source",
        "target",
        "tag",
        "platform",
        "relay",
        "registry",
        "worker",
        "config",
        "fingerprint",
    )
)
_NAMES = {logging.CRITICAL: "fatal", logging.WARNING: "warning", TRACE: "trace"}
#: Levels as text lines show them, in five letters.
_SHOWN = {"warning": "WARN"}
_COLORS = {"fatal": 31, "error": 31, "warning": 33, "info": 36, "debug": 37, "trace": 37}
#: Chatty libraries speak only from warnings on, unless everything is wanted.
_LIBRARIES = ("kombu", "amqp", "asyncio", "redis", "celery")
#: Below warnings these libraries log requests and answers with tokens in them, so they never do.
_HOLD_SECRETS = ("aiohttp", "boto3", "botocore", "docker", "google", "requests", "s3transfer", "urllib3")
#: Longest field and longest message, in characters: text from outside may be of any length.
LONGEST_FIELD, LONGEST_MESSAGE = 2_000, 20_000


def log_fields(**values: object) -> dict[str, Any]:
    """Fields for a log line: ``log.info("copied", extra=log_fields(task="mirror"))``; empty ones are left out.

    Numbers stay numbers in JSON; all else is text.
    """
    return {
        "fields": {
            name: value if isinstance(value, int | float) else str(value)
            for name, value in values.items()
            if value not in (None, "")
        }
    }


def takes_colors(environment: Mapping[str, str]) -> bool:
    """Whether a terminal may have colours: ``NO_COLOR`` (no-color.org) is not set, and it knows escapes."""
    return not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


def configure(environment: Mapping[str, str] = os.environ, stream: TextIO | None = None) -> None:
    """Send all logging to `stream` (default: standard error) in the format the environment asks for.

    An unknown LOG_LEVEL or LOG_FORMAT counts as the default and is warned of.
    """
    stream = stream or sys.stderr
    level_name = environment.get("LOG_LEVEL", "").lower()
    level = LEVELS.get(level_name, logging.INFO)
    wanted = environment.get("LOG_FORMAT", "").lower()
    terminal = stream.isatty()
    colors = (terminal and takes_colors(environment)) or _truth(environment.get("LOG_FORCE_COLORS", ""))
    text = wanted == "text" or (wanted != "json" and terminal)
    methods = _truth(environment.get("LOG_METHODS", ""))
    handler = logging.StreamHandler(stream)
    if level > logging.DEBUG:
        handler.addFilter(_is_news)
    if text:
        handler.setFormatter(TextFormatter(colors, methods))
    else:
        handler.setFormatter(JsonFormatter(methods))
    for name, number in {"trace": TRACE, "fatal": logging.CRITICAL}.items():
        logging.addLevelName(number, name.upper())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for library in _LIBRARIES:
        logging.getLogger(library).setLevel(logging.NOTSET if level <= logging.DEBUG else logging.WARNING)
    for library in _HOLD_SECRETS:
        logging.getLogger(library).setLevel(logging.WARNING)
    logging.getLogger("celery.beat").setLevel(level)
    if level_name and level_name not in LEVELS:
        root.warning("LOG_LEVEL '%s' is unknown, using info; known: %s", level_name, ", ".join(LEVELS))
    if wanted not in ("", "json", "text"):
        root.warning("LOG_FORMAT '%s' is unknown; known: json, text", wanted)


def _is_news(record: logging.LogRecord) -> bool:
    """False for log lines of libraries about an outage of Redis: they come each second, with a traceback, and roles log
    an outage once, in one line. ``LOG_LEVEL=debug`` shows all of them."""
    error = record.exc_info[1] if record.exc_info else None
    outage = isinstance(error, OSError) or type(error).__module__.partition(".")[0] in ("redis", "kombu")
    return not (outage and record.levelno <= logging.WARNING and record.name.partition(".")[0] in _LIBRARIES)


def _truth(text: str) -> bool:
    return text.lower() in ("1", "t", "true", "yes", "on")


class _Formatter(logging.Formatter):
    def __init__(self, methods: bool) -> None:
        super().__init__()
        self._methods = methods

    def parts(self, record: logging.LogRecord) -> tuple[str, str, dict[str, str | int | float], str]:
        """Level, message, fields and traceback of a record, without secrets."""
        level = _NAMES.get(record.levelno, record.levelname.lower())
        given: dict[str, str | int | float] = getattr(record, "fields", {})
        values = {name: _field(name, value) for name, value in given.items()}
        if self._methods:
            values["func"] = f"{record.name}.{record.funcName}"
            values["file"] = f"{record.filename}:{record.lineno}"
        trace = scrub_and_cut(self.formatException(record.exc_info), LONGEST_MESSAGE) if record.exc_info else ""
        return level, _message(record), values, trace


def _field(name: str, value: str | float) -> str | int | float:
    if not isinstance(value, str):
        return value
    return cut(value, LONGEST_FIELD) if name in _NAME_FIELDS else scrub_and_cut(value, LONGEST_FIELD)


def _message(record: logging.LogRecord) -> str:
    """The message without secrets: of one with arguments only these are scrubbed, as the rest is our own text."""
    if not isinstance(record.args, tuple) or not record.args:
        return scrub_and_cut(record.getMessage(), LONGEST_MESSAGE)
    values = (
        value if isinstance(value, int | float) else scrub_and_cut(str(value), LONGEST_MESSAGE) for value in record.args
    )
    try:
        return cut(str(record.msg) % tuple(values), LONGEST_MESSAGE)
    except (TypeError, ValueError):
        return scrub_and_cut(record.getMessage(), LONGEST_MESSAGE)


def scrub_line(text: str) -> str:
    """What others wrote, for reports and pages: one line of at most `LONGEST_FIELD` characters, without secrets and
    control characters."""
    return printable(scrub_and_cut(" ".join(text.splitlines()), LONGEST_FIELD), keep="")


def scrub_and_cut(text: str, longest: int) -> str:
    """`text` without secrets, at most `longest` characters; a secret at the cut is hidden, too."""
    rest = len(text) - 2 * longest
    return cut(scrub(text[: 2 * longest]), longest, max(rest, 0))


def cut(text: str, longest: int, more: int = 0) -> str:
    """The first `longest` characters, and how many are left out (`more`: besides those here)."""
    left_out = len(text) - longest + more
    return text if left_out <= 0 else f"{text[:longest]}… ({left_out} characters more)"


class JsonFormatter(_Formatter):
    """One JSON object per line, with logrus' keys: level, msg, time, and the fields."""

    def format(self, record: logging.LogRecord) -> str:
        level, message, values, trace = self.parts(record)
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {**values, "level": level, "msg": message, "time": time.replace("+00:00", "Z")}
        if trace:
            line["error"] = trace
        return json.dumps(line, ensure_ascii=False)


class TextFormatter(_Formatter):
    """One line per record for people; what comes after its first line is indented, so that text from outside cannot
    pass for another record. Control characters from registries are shown escaped."""

    def __init__(self, colors: bool, methods: bool) -> None:
        super().__init__(methods)
        self._colors = colors

    def format(self, record: logging.LogRecord) -> str:
        level, message, values, trace = self.parts(record)
        time = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        shown = _SHOWN.get(level, level.upper()).ljust(5)
        if self._colors:
            shown = f"\x1b[{_COLORS.get(level, 37)}m{shown}\x1b[0m"
        tail = "".join(f" {name}={printable(str(value), keep='')}" for name, value in values.items())
        lines = f"{printable(message)}{tail}" + (f"\n{printable(trace)}" if trace else "")
        return f"{time} {shown} " + lines.replace("\n", "\n      ")
