"""A Docker daemon of a test's own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.lab.processes import ManagedProcess, wait_until

#: A world of its own, so that containers and mounts end with the daemon, whatever ends it.
_ALONE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
#: With `--bridge=none` a daemon deletes the bridge docker0, which may be another daemon's: it gets no right to.
_WITHOUT_NETWORKS = ("setpriv", "--inh-caps=-net_admin", "--bounding-set=-net_admin", "--")


#: Times that a daemon is started, at most.
STARTS = 5


class Daemon:
    """dockerd on a socket of its own; `docker` runs the client against it.

    `networks`: whether containers can have any; without them it only holds images.
    """

    def __init__(self, folder: Path, *options: str, networks: bool = True) -> None:
        self.folder = folder
        self.socket = folder / "docker.sock"
        self._before = _ALONE if networks else (*_ALONE, *_WITHOUT_NETWORKS)
        self._options = (*options, *(() if networks else ("--iptables=false", "--ip-forward=false", "--bridge=none")))
        self._process: ManagedProcess | None = None

    def start(self) -> None:
        """On a busy machine containerd may not be up within the 15 s that dockerd gives it: then it starts again.

        Raises: RuntimeError: it does not start here, or holds no image.
        """
        for left in range(STARTS - 1, -1, -1):
            try:
                return self._start()
            except RuntimeError as error:
                if not left or "containerd" not in str(error):
                    raise
        raise AssertionError("unreachable: the last start returns or raises")

    def _start(self) -> None:
        # A killed daemon leaves it behind, and what it names always runs: process 1, as each daemon is in its world.
        (self.folder / "pid").unlink(missing_ok=True)
        command = [*self._before, "dockerd", "--host", f"unix://{self.socket}", "--pidfile", str(self.folder / "pid")]
        command += ["--data-root", str(self.folder / "data"), "--exec-root", str(self.folder / "exec")]
        self._process = ManagedProcess([*command, "--group", "root", *self._options], self.folder / "log")

        def answers() -> bool:
            assert self._process
            if not self._process.alive:
                raise RuntimeError(self._last_words())
            return self.run("version", check=False).returncode == 0

        wait_until(answers, timeout=90, what="dockerd")
        # A daemon with too few rights starts well, and fails with its first layer.
        empty = self.folder / "empty.tar"
        tarfile.open(empty, "w").close()
        try:
            self.run("import", str(empty), "lab/empty")
        except RuntimeError:
            self.stop()
            raise

    def _last_words(self) -> str:
        """Of its log, what says why it ended."""
        assert self._process
        lines = self._process.output().splitlines()
        return next((line for line in reversed(lines) if line.startswith("failed")), " ".join(lines[-3:]))[:500]

    def kill(self) -> None:
        """SIGKILL, as when it runs out of memory; its containerd ends with it."""
        self.stop(signal.SIGKILL)

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self._process:
            # unshare takes no signal; it ends with its only child, the daemon, and all that this had mounted or started
            with contextlib.suppress(psutil.NoSuchProcess):
                for dockerd in psutil.Process(self._process.pid).children():
                    dockerd.send_signal(number)
            # signal 0 is none
            self._process.stop(0, timeout=40)

    def run(self, *arguments: str, check: bool = True, timeout: float = 900) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "DOCKER_HOST": f"unix://{self.socket}", "DOCKER_BUILDKIT": "0"}
        done = subprocess.run(
            ["docker", *arguments], capture_output=True, text=True, timeout=timeout, env=environment, cwd=self.folder
        )
        if check and done.returncode:
            raise RuntimeError(f"docker {' '.join(arguments)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done

    def build(self, tag: str, context: Path) -> None:
        self.run("build", "--network", "host", "-t", tag, str(context))


def unavailable() -> str | None:
    """Why no daemon can run here; None when one can."""
    for program in ("dockerd", "docker"):
        if shutil.which(program) is None:
            return f"{program} is missing: scripts/setup-docker installs it"
    return "a Docker daemon needs root" if os.getuid() != 0 else None


@contextlib.contextmanager
def daemon_for_relays(folder: Path) -> Iterator[Daemon]:
    """A daemon that pulls, tags and pushes; the test is skipped, with the reason, where none can run."""
    why = unavailable()
    if why:
        pytest.skip(f"no Docker daemon here: {why}")
    daemon = Daemon(folder, networks=False)
    try:
        daemon.start()
    except (RuntimeError, TimeoutError) as error:
        pytest.skip(f"no Docker daemon runs here: {error}")
    yield daemon
    daemon.stop()
