"""A Docker daemon of the tests' own, and every image they need, built from packages: nothing is pulled."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.lab.daemon import Daemon, unavailable
from tests.lab.processes import ROOT

#: For every module here: images are built within the first test, and one process runs them all.
MARKS = [pytest.mark.docker, pytest.mark.xdist_group("containers"), pytest.mark.timeout(1200)]

#: Networks that compose takes its addresses from: registries there speak plain HTTP.
PLAIN_HTTP = [f"--insecure-registry={network}" for network in ("172.16.0.0/12", "192.168.0.0/16")]

#: Images that compose and Dockerfile name, made here from Debian's packages.
IMAGES = {
    "redis:8": ("redis-server", 'WORKDIR /data\nCMD ["redis-server", "--protected-mode", "no"]'),
    "registry:2": ("docker-registry", 'CMD ["docker-registry", "serve", "/etc/lab.yml"]'),
    "compose:lab": ("docker-compose docker-cli", 'ENTRYPOINT ["docker", "compose"]'),
}
REGISTRY_CONFIG = """\
version: 0.1
storage: {filesystem: {rootdirectory: /var/lib/registry}}
http: {addr: ":5000"}
"""


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    why = unavailable() or (None if shutil.which("debootstrap") else "debootstrap is missing")
    if why:
        pytest.skip(f"no containers here: {why}")
    daemon = Daemon(tmp_path_factory.mktemp("docker"), *PLAIN_HTTP)
    try:
        daemon.start()
    except (RuntimeError, TimeoutError, OSError) as error:
        pytest.skip(f"no Docker daemon runs here: {error}")
    try:
        _base_image(daemon)
        yield daemon
    finally:
        running = daemon.run("ps", "-aq", check=False).stdout.split()
        if running:
            daemon.run("rm", "-f", *running, check=False)
        daemon.stop()


def _base_image(daemon: Daemon) -> None:
    root = daemon.folder / "trixie"
    made = subprocess.run(["debootstrap", "--variant=minbase", "trixie", str(root)], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"debootstrap cannot make a base image here: {made.stdout[-300:]}{made.stderr[-300:]}")
    archive = daemon.folder / "base.tar"
    subprocess.run(["tar", "-C", str(root), "-cf", str(archive), "."], check=True)
    daemon.run("import", str(archive), "debian:trixie-slim")
    archive.unlink()
    shutil.rmtree(root)


@pytest.fixture(scope="session")
def image(daemon: Daemon) -> str:
    """The product's image, built by a plain `docker build .` of what the repository holds."""
    context = daemon.folder / "context"
    copy_repository(context)
    # Behind a TLS-inspecting proxy the build trusts this file, as deploy/ca/README.md says.
    for name in ("PIP_CERT", "SSL_CERT_FILE"):
        if Path(os.environ.get(name, "")).is_file():
            shutil.copy(os.environ[name], context / "deploy" / "ca" / "host.crt")
            break
    daemon.build("dregsy-queue:latest", context)
    return "dregsy-queue:latest"


@pytest.fixture(scope="session")
def helpers(daemon: Daemon) -> Sequence[str]:
    """The images that compose needs beside ours."""
    for tag, (packages, last) in IMAGES.items():
        context = daemon.folder / tag.replace(":", "-")
        context.mkdir()
        (context / "lab.yml").write_text(REGISTRY_CONFIG)
        (context / "Dockerfile").write_text(
            "FROM debian:trixie-slim\n"
            f"RUN apt-get update && apt-get install -y --no-install-recommends {packages}\n"
            "COPY lab.yml /etc/lab.yml\n"
            f"{last}\n"
        )
        daemon.build(tag, context)
    return list(IMAGES)


def copy_repository(to: Path) -> None:
    """What the repository holds, without what set-up and tests made."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    for name in listed:
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
