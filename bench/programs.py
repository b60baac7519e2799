"""The programs that are compared, and how each is told what to do."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.lab.dregsy import BIN, location, mapping, task, write_config

OURS = "dregsy_queue"


@dataclass(frozen=True)
class Work:
    """What one call is to do, in a folder of its own."""

    folder: Path
    source: str
    target: str
    repositories: tuple[str, ...]
    #: of ours: how long what it synced is believed, and where it keeps that
    drift_check: str = ""
    state: Path | None = None


@dataclass(frozen=True)
class Program:
    name: str
    #: with {config}, {regsync}, {ocync}, {work}, {source} and {target} in it
    command: str

    def call(self, work: Work) -> list[str]:
        names = {
            "config": str(_dregsy(work, "direct" if self.name == OURS else "skopeo")),
            "regsync": str(_regsync(work)),
            "ocync": str(_ocync(work)),
            "work": str(_json(work)),
            "source": work.source,
            "target": work.target,
        }
        command = [part.format(**names) for part in shlex.split(self.command)]
        return [*command, f"--state={work.state}"] if self.name == OURS and work.state else command


def programs(peers: Sequence[str]) -> list[Program]:
    """Ours, the baselines, and `peers` as ``NAME=COMMAND``. Raises: ValueError."""
    python = shlex.quote(sys.executable)
    found = [
        Program(OURS, f"{BIN / 'dregsy'} sync --config={{config}}"),
        Program("dregsy's way", f"{python} -m bench.baselines dregsy {{work}}"),
        Program("skopeo sync", f"{python} -m bench.baselines sync {{work}}"),
    ]
    for peer in peers:
        name, equals, command = peer.partition("=")
        if not equals or not name or not command:
            raise ValueError(
                f"--peer {peer}: write NAME=COMMAND, with {{config}}, {{regsync}} or {{ocync}} in the command"
            )
        found.append(Program(name, command))
    return found


def _dregsy(work: Work, relay: str) -> Path:
    mappings = [mapping(repository) for repository in work.repositories]
    extra = {"drift-check": work.drift_check} if work.drift_check else {}
    synced = task("t", location(work.source), location(work.target), *mappings, **extra)
    return write_config(work.folder, synced, relay=relay)


def _regsync(work: Work) -> Path:
    path = work.folder / "regsync.yaml"
    document = {
        "version": 1,
        "creds": [{"registry": host, "tls": "disabled", "reqConcurrent": 16} for host in (work.source, work.target)],
        "defaults": {"parallel": 16},
        "sync": [
            {"source": f"{work.source}/{name}", "target": f"{work.target}/{name}", "type": "repository"}
            for name in work.repositories
        ],
    }
    path.write_text(yaml.safe_dump(document))
    return path


def _ocync(work: Work) -> Path:
    path = work.folder / "ocync.yaml"
    # With any other kind of login it asks for a token by HTTPS first.
    login = {"auth_type": "static_token", "token": "none"}
    document = {
        "registries": {
            "source": {"url": f"http://{work.source}", **login},
            "target": {"url": f"http://{work.target}", **login},
        },
        "defaults": {"source": "source", "targets": "target", "tags": {"glob": "*"}},
        "mappings": [{"from": name, "to": name} for name in work.repositories],
    }
    path.write_text(yaml.safe_dump(document))
    return path


def _json(work: Work) -> Path:
    path = work.folder / "work.json"
    path.write_text(json.dumps({"source": work.source, "target": work.target, "repositories": work.repositories}))
    return path
