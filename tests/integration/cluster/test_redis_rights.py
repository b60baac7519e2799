"""A Redis user with no more rights than docs/security.md names: everything works, and Redis refuses nothing."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.lab.cluster import Cluster
from tests.lab.dregsy import BIN, Role, location, mapping, task, worker, write_config
from tests.lab.images import push_many
from tests.lab.processes import ROOT, wait_until
from tests.lab.registry import Registry

RULES = re.search(r"^ACL SETUSER dregsy (.+)$", (ROOT / "docs/security.md").read_text(), re.MULTILINE)


@pytest.mark.timeout(120)
def test_the_documented_rights_suffice(cluster: Cluster, source: Registry, target: Registry, tmp_path: Path) -> None:
    assert RULES
    push_many(source, "lib/app", ["1", "2"])
    client = cluster.redis.client()
    client.execute_command("ACL", "SETUSER", "dregsy", *RULES[1].replace("PASSWORD", "word").split())  # type: ignore[no-untyped-call]
    url = cluster.redis.url.replace("redis://", "redis://dregsy:word@")
    config = write_config(cluster.folder, task("t", location(source), location(target), mapping("lib/app")))
    roles = [worker(tmp_path, config, url, "w1"), Role("beat", tmp_path, config, url)]
    flower = Role("flower", tmp_path, config, url, "--port=0")
    try:
        cluster.wait_for("t", lambda counts: counts.done and counts.copied == 2, timeout=60)

        def run(*command: str) -> int:
            environment = {"DREGSY_REDIS_URL": url, "DREGSY_CONFIG": str(config), "PATH": "/usr/bin:/bin"}
            done = subprocess.run(
                [str(BIN / command[0]), *command[1:]], capture_output=True, text=True, env=environment
            )
            assert "permission" not in done.stdout + done.stderr
            return done.returncode

        celery = ("celery", "-A", "dregsy_queue")
        assert run(*celery, "inspect", "ping") == 0
        for verb in (("status",), ("health",), ("pause", "t"), ("resume", "t"), ("run", "t", "--wait"), ("runs",)):
            assert run("dregsy", *verb) == 0
        run(*celery, "control", "shutdown")
        wait_until(lambda: not roles[0].process.alive, 20, "the worker's end")
        refused = client.execute_command("ACL", "LOG")  # type: ignore[no-untyped-call]
        assert refused == []
        # and nothing of others
        with pytest.raises(Exception, match="permission"):
            type(client).from_url(url).get("other")
    finally:
        for role in (*roles, flower):
            role.process.stop()
