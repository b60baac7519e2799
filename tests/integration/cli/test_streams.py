"""Standard streams that are closed or full."""

from __future__ import annotations

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


def test_closed_streams_stop_no_sync(tmp_path: Path, source: Registry, target: Registry) -> None:
    digest = push_image(source, "lib/app", "1")
    config = write_config(tmp_path, task("t", location(source), location(target), mapping("lib/app")))
    ended = subprocess.run(["sh", "-c", f"exec {DREGSY} -config={config} <&- >&- 2>&-"], timeout=60)
    assert ended.returncode == 0
    assert target.digest("lib/app", "1") == digest
