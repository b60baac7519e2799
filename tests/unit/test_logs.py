"""Logging: the four environment variables, dregsy's fields, and no secrets."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import ResponseError

from dregsy_queue import logs, redact


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def root() -> Iterator[None]:
    logger = logging.getLogger()
    handlers, level = list(logger.handlers), logger.level
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)


def written(stream: io.StringIO, **environment: str) -> str:
    logs.configure(environment, stream)
    log = logging.getLogger("some.module")
    log.debug("detail")
    log.info("copied", extra=logs.log_fields(task="t one", source="a/b:1", tag="", platform=None))
    log.warning("careful")
    return stream.getvalue()


def test_json_off_a_terminal() -> None:
    lines = [json.loads(line) for line in written(io.StringIO()).splitlines()]
    assert [(line["level"], line["msg"]) for line in lines] == [("info", "copied"), ("warning", "careful")]
    assert (lines[0]["task"], lines[0]["source"]) == ("t one", "a/b:1") and "tag" not in lines[0]
    assert lines[0]["time"].endswith("Z")


@pytest.mark.parametrize(
    ("form", "shown"), [("json", '"copied": 3, "seconds": 1.5, "run": "7"'), ("text", " copied=3 seconds=1.5 run=7\n")]
)
def test_numbers_are_numbers(form: str, shown: str) -> None:
    stream = io.StringIO()
    logs.configure({"LOG_FORMAT": form}, stream)
    logging.getLogger("x").info("run ended", extra=logs.log_fields(copied=3, seconds=1.5, run="7", bytes=None))
    assert shown in stream.getvalue()


def test_text_on_a_terminal_with_colours() -> None:
    text = written(Terminal())
    assert "\x1b[36mINFO \x1b[0m copied task=t one source=a/b:1" in text


@pytest.mark.parametrize(
    ("stream", "environment", "json_lines", "colours"),
    [
        (io.StringIO, {"LOG_FORMAT": "text"}, False, False),
        (io.StringIO, {"LOG_FORMAT": "text", "LOG_FORCE_COLORS": "true"}, False, True),
        (io.StringIO, {"LOG_FORCE_COLORS": "true"}, True, False),
        (Terminal, {"LOG_FORMAT": "text"}, False, True),
        (Terminal, {"NO_COLOR": "1"}, False, False),
        (Terminal, {"TERM": "dumb"}, False, False),
        (Terminal, {"NO_COLOR": "1", "LOG_FORCE_COLORS": "1"}, False, True),
        (Terminal, {"LOG_FORMAT": "json"}, True, False),
        (io.StringIO, {"LOG_FORMAT": "JSON", "LOG_FORCE_COLORS": "true"}, True, False),
    ],
)
def test_formats(stream: type[io.StringIO], environment: dict[str, str], json_lines: bool, colours: bool) -> None:
    text = written(stream(), **environment)
    assert text.startswith("{") is json_lines and ("\x1b" in text) is colours


@pytest.mark.parametrize(
    ("level", "count"),
    [
        ("trace", 3),
        ("debug", 3),
        ("info", 2),
        ("", 2),
        ("WARN", 1),
        ("Warning", 1),
        ("error", 0),
        ("fatal", 0),
        ("panic", 0),
    ],
)
def test_levels(level: str, count: int) -> None:
    assert len(written(io.StringIO(), LOG_LEVEL=level).splitlines()) == count


def test_unknown_values_are_told() -> None:
    text = written(io.StringIO(), LOG_LEVEL="loud", LOG_FORMAT="xml")
    assert "LOG_LEVEL 'loud' is unknown" in text and "LOG_FORMAT 'xml' is unknown" in text and "copied" in text


def test_methods() -> None:
    line = json.loads(written(io.StringIO(), LOG_METHODS="true").splitlines()[0])
    assert line["func"] == "some.module.written" and line["file"].startswith("test_logs.py:")


def test_hidden_secrets_are_shown_by_nobody() -> None:
    redact.hide("very-secret")
    stream = io.StringIO()
    logs.configure({}, stream)
    try:
        raise RuntimeError("password very-secret is bad")
    except RuntimeError:
        logging.getLogger("x").exception("with %s", "very-secret", extra=logs.log_fields(field="very-secret"))
    assert "very-secret" not in stream.getvalue() and stream.getvalue().count("***") >= 3


def test_what_others_wrote_looks_like_no_other_record_and_has_an_end() -> None:
    stream = io.StringIO()
    logs.configure({"LOG_FORMAT": "text"}, stream)
    forged = "x\n12:00:00 INFO  copied"
    logging.getLogger("t").error("cannot plan: %s", forged + "A" * 2_000_000, extra=logs.log_fields(target=forged))
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2 and lines[1].startswith("      12:00:00 INFO")
    assert "target=x\\n12:00:00" in lines[1] and "characters more)" in lines[1]
    assert len(stream.getvalue()) < 22_000


@pytest.mark.parametrize(
    "library", ["botocore.parsers", "urllib3.connectionpool", "google.auth.transport", "docker.auth"]
)
def test_libraries_that_log_tokens_are_quiet_at_debug(library: str) -> None:
    stream = io.StringIO()
    logs.configure({"LOG_LEVEL": "debug"}, stream)
    logging.getLogger(library).debug("authorizationToken: %s", "QVdTOnNlY3JldA==")
    assert stream.getvalue() == ""


def test_libraries_do_not_repeat_what_roles_say_of_an_outage() -> None:
    stream = io.StringIO()
    logs.configure({}, stream)
    for name, error in (("kombu.transport", ResponseError("OOM")), ("celery.worker", OSError("gone"))):
        try:
            raise error
        except Exception:
            logging.getLogger(name).warning("Redis error, will retry", exc_info=True)
    assert stream.getvalue() == ""
    try:
        raise ValueError("a bug")
    except ValueError:
        logging.getLogger("kombu").warning("this is told", exc_info=True)
    assert "a bug" in stream.getvalue()


def test_libraries_say_all_of_an_outage_at_debug() -> None:
    stream = io.StringIO()
    logs.configure({"LOG_LEVEL": "debug"}, stream)
    try:
        raise ResponseError("OOM")
    except ResponseError:
        logging.getLogger("kombu.transport").warning("Redis error, will retry", exc_info=True)
    assert "will retry" in stream.getvalue() and "OOM" in stream.getvalue()


def test_control_characters_of_registries_do_nothing_to_a_terminal() -> None:
    stream = Terminal()
    logs.configure({}, stream)
    logging.getLogger("x").error("bad \x1b]0;title\x07 name", extra=logs.log_fields(tag="\x1b[2J"))
    assert "\x1b]" not in stream.getvalue() and "\x1b[2J" not in stream.getvalue()


def test_every_log_line_gives_its_fields_in_the_one_way_that_is_written() -> None:
    """What is given to ``extra`` in another way is lost without a word."""
    root = Path(__file__).parents[2]
    lines = [
        f"{path.relative_to(root)}: {line.strip()}"
        for folder in ("dregsy_queue", "workers")
        for path in (root / folder).rglob("*.py")
        for line in path.read_text().splitlines()
        if re.search(r"\bextra=\{", line)
    ]
    assert lines == []
