"""Makes the pictures of docs/images that show a cluster at work: the page, Flower, `dregsy status`, the display."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from demo.stage import Stage, stage
from demo.terminal_picture import draw, shown_after
from tests.lab.browser import no_browser
from tests.lab.dregsy import BIN
from tests.lab.tab import Tab

PICTURES = Path(__file__).parent.parent / "docs" / "images"
COLUMNS = 80
#: seconds after its start at which one-command mode is in the middle of its work
IN_THE_MIDDLE = 9.0


def main() -> int:
    if why := no_browser():
        print(f"no screenshots: {why}", file=sys.stderr)
        return 1
    with stage() as found:
        flower = found.flower()
        found.start()
        found.cluster.wait_for("shop", lambda counts: counts.copied >= 3)
        time.sleep(4)
        for name, arguments in {"status": ["status"], "status-task": ["status", "tools"]}.items():
            draw(_told(found, *arguments), PICTURES / f"{name}.svg", COLUMNS)
        _open(found, flower)
    with stage() as found:
        command = [str(BIN / "dregsy"), f"-config={found.config}"]
        environment = {**found.environment, "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
        screen = shown_after(command, IN_THE_MIDDLE, environment)
        draw(f"$ dregsy -config=dregsy.yaml\n{screen}", PICTURES / "display.svg", COLUMNS)
    return 0


def _told(found: Stage, *arguments: str) -> str:
    environment = {**found.environment, "COLUMNS": str(COLUMNS), "FORCE_COLOR": "1"}
    done = subprocess.run([BIN / "dregsy", *arguments], env=environment, capture_output=True, text=True, check=False)
    return f"$ dregsy {' '.join(arguments)}\n{done.stdout}"


def _open(found: Stage, flower: str) -> None:
    with found.page() as page:
        with Tab(found.folder, width=1100) as tab:
            tab.open(page)
            tab.screenshot(PICTURES / "page.png")
        with Tab(found.folder, width=390, height=844, phone=True) as tab:
            tab.open(f"{page}/task?name=tools")
            tab.screenshot(PICTURES / "page-phone.png")
    with Tab(found.folder, width=1600, height=784) as tab:
        tab.open(flower)
        # Its table asks for its rows once the page is there, and sets its headers right when it is told to.
        time.sleep(2)
        tab.evaluate("jQuery.fn.dataTable.tables({api: true}).columns.adjust()")
        tab.screenshot(PICTURES / "flower.png")


if __name__ == "__main__":
    sys.exit(main())
