"""Standard streams that are closed or full."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.lab.dregsy import BIN, location, mapping, task, write_config
from tests.lab.images import push_image
from tests.lab.registry import Registry

DREGSY = str(BIN / "dregsy")


@pytest.mark.parametrize("arguments", [("--help",), ("validate", "{config}"), ("-config={config}",)])
def test_a_full_disk_is_one_line(
    tmp_path: Path, source: Registry, target: Registry, arguments: tuple[str, ...]
) -> None:
    config = write_config(tmp_path, task("t", location(source), location(target), mapping("lib/none")))
    command = [DREGSY, *(argument.format(config=config) for argument in arguments)]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == "Error: the output cannot be written: No space left on device"
    assert "Traceback" not in ended.stderr


def test_who_reads_no_more_is_not_taken_for_redis(redis_url: str) -> None:
    """`dregsy status --watch | head -1`"""
    command = [DREGSY, "status", "--watch", "--json", "--redis", redis_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None and watching.stderr is not None
        assert json.loads(watching.stdout.readline())["good"] is False
        watching.stdout.close()
        assert watching.stderr.read() == ""
        assert watching.wait(timeout=60) == 1


def test_closed_streams_stop_no_sync(tmp_path: Path, source: Registry, target: Registry) -> None:
    digest = push_image(source, "lib/app", "1")
    config = write_config(tmp_path, task("t", location(source), location(target), mapping("lib/app")))
    ended = subprocess.run(["sh", "-c", f"exec {DREGSY} -config={config} <&- >&- 2>&-"], timeout=60)
    assert ended.returncode == 0
    assert target.digest("lib/app", "1") == digest


def test_a_locale_of_few_letters_is_no_traceback(tmp_path: Path) -> None:
    """What cannot be encoded is escaped, as in JSON; so is a name that is no text."""
    write_config(tmp_path, task("größe → 🐳", location("a.example"), location("a.example"), mapping("x", "y")))
    (tmp_path / "dregsy.yaml").write_text((tmp_path / "dregsy.yaml").read_text() + "\nwrong: 1\n")
    few = {"PATH": os.environ["PATH"], "PYTHONIOENCODING": "ascii"}
    calls: list[tuple[list[str | bytes], dict[str, str]]] = [
        ([DREGSY, "validate", "dregsy.yaml"], few),
        ([DREGSY, "-config=nö.yaml"], few),
        ([DREGSY, "validate", b"\xff.yaml"], {"PATH": os.environ["PATH"]}),
        ([DREGSY, "convert", b"\xff.yaml"], {"PATH": os.environ["PATH"]}),
    ]
    for command, env in calls:
        ended = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, timeout=60)
        assert ended.returncode == 1 and b"Traceback" not in ended.stderr, ended.stderr


def test_files_are_utf_8_in_any_locale(tmp_path: Path, source: Registry, target: Registry) -> None:
    digest = push_image(source, "lib/app", "1")
    config = write_config(tmp_path, task("tôkyō", location(source), location(target), mapping("lib/app")))
    report, state = tmp_path / "report.json", tmp_path / "state.json"
    ended = subprocess.run(
        [DREGSY, "sync", "-c", str(config), "--report", str(report), "--state", str(state)],
        env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0"},
        capture_output=True,
        timeout=60,
    )
    assert (ended.returncode, b"Traceback" in ended.stderr) == (0, False), ended.stderr.decode()
    assert target.digest("lib/app", "1") == digest
    assert all("tôkyō" in json.loads(file.read_text(encoding="utf-8"))["tasks"] for file in (report, state))
