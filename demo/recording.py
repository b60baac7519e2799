"""Makes docs/images/terminal.svg: what a terminal shows of a plan, a first and a second sync of the demo."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from demo.__main__ import QUICKSTART, fill
from demo.terminal_picture import draw
from tests.lab.registry import Registry

PICTURE = Path(__file__).parent.parent / "docs" / "images" / "terminal.svg"
COMMANDS = (("plan", "dregsy.yaml", "--run", "base-.*"), ("-config=dregsy.yaml",), ("-config=dregsy.yaml",))
COLUMNS = 72


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="dregsy-recording-") as name:
        folder = Path(name)
        source, target = Registry(folder / "source"), Registry(folder / "target")
        try:
            source.start()
            target.start()
            fill(source)
            text = QUICKSTART.read_text().replace("127.0.0.1:5000", source.host).replace("127.0.0.1:5001", target.host)
            (folder / "dregsy.yaml").write_text(text)
            names = {source.host: "docker.io", target.host: "registry.example.com"}
            screen = "\n".join(_run(command, folder, names) for command in COMMANDS)
        finally:
            source.stop()
            target.stop()
    draw(screen, PICTURE, COLUMNS)
    return 0


def _run(arguments: tuple[str, ...], folder: Path, names: dict[str, str]) -> str:
    program = Path(sys.executable).parent / "dregsy"
    environment = {**os.environ, "LOG_LEVEL": "error", "COLUMNS": str(COLUMNS)}
    done = subprocess.run(
        [program, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    shown = done.stdout
    for host, name in names.items():
        shown = shown.replace(host, name)
    return f"$ {shlex.join(['dregsy', *arguments])}\n{shown}"


if __name__ == "__main__":
    sys.exit(main())
