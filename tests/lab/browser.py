"""A real browser, headless: what a page holds after its scripts have run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--no-proxy-server", "--hide-scrollbars"),
    "--disable-lcd-text",
)


class Browser:
    """Chromium, started anew for each page; `folder` takes its profiles."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opened = 0

    def dom(self, url: str) -> str:
        """The page's document once its scripts have fetched what they show."""
        return self._open(url, "--dump-dom")

    def screenshot(self, url: str, to: Path, *, width: int, height: int) -> None:
        self._open(url, f"--screenshot={to}", f"--window-size={width},{height}")

    def _open(self, url: str, *options: str) -> str:
        self._opened += 1
        profile = self._folder / f"profile{self._opened}"
        command = ["chromium", *FLAGS, f"--user-data-dir={profile}", "--virtual-time-budget=5000", *options, url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=90)
        shutil.rmtree(profile, ignore_errors=True)
        if done.returncode:
            raise RuntimeError(f"chromium ended with {done.returncode}: {done.stderr[-800:]}")
        return done.stdout


def no_browser() -> str | None:
    """Why no page can be opened here; None when one can."""
    return None if shutil.which("chromium") else "chromium is missing: scripts/setup-docker installs it"
