"""Registries that Go builds: distribution v3, and the one of go-containerregistry. Kept in `.cache/go`."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import requests

from tests.lab.processes import ROOT, ManagedProcess, free_port, wait_until


@dataclass(frozen=True)
class GoProgram:
    """`seconds`: how long a test may wait for its build; 0: it is only used where it was built before."""

    name: str
    module: str
    seconds: float = 0

    def find(self) -> Path | None:
        """The program, built now if need be; None where it cannot be had."""
        folder = ROOT / ".cache" / "go" / self.name
        program, go = folder / self.module.partition("@")[0].rpartition("/")[2], shutil.which("go")
        if not program.exists() and go and self.seconds:
            environment = {**os.environ, "GOBIN": str(folder)}
            try:
                subprocess.run([go, "install", self.module], env=environment, timeout=self.seconds, capture_output=True)
            except subprocess.TimeoutExpired:
                return None
        return program if program.exists() else None


DISTRIBUTION_3 = GoProgram("distribution", "github.com/distribution/distribution/v3/cmd/registry@v3.0.0")
GGCR = GoProgram("ggcr", "github.com/google/go-containerregistry/cmd/registry@v0.20.6", seconds=90)


class GgcrRegistry:
    """go-containerregistry's registry, which keeps all in memory."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.host}"
        self.session = requests.Session()
        self.session.trust_env = False
        folder.mkdir(parents=True, exist_ok=True)
        self._process = ManagedProcess([str(program), "-port", str(self.port)], folder / "log")
        wait_until(self._answers, what=f"registry {self.host}")

    def stop(self) -> None:
        self._process.kill()
        self.session.close()

    def _answers(self) -> bool:
        try:
            return self.session.get(f"{self.url}/v2/", timeout=2).status_code == 200
        except requests.RequestException:
            return False
