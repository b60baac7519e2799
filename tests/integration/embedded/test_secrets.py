"""A password is found nowhere: not in process lists, Redis, logs, the report, or a crash message."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

from tests.conftest import MakeRegistry
from tests.lab.dregsy import BIN, auth, beat, location, mapping, sync, task, worker, write_config
from tests.lab.images import push_many
from tests.lab.processes import ProcessSampler, wait_until
from tests.lab.redis import RedisServer
from tests.lab.registry import Registry

PASSWORD = 'pa%ss"w\\ord-Zq81:x'
FORMS = [
    PASSWORD,
    "word-Zq81",
    base64.b64encode(f"bob:{PASSWORD}".encode()).decode(),
    auth("bob", PASSWORD),
]


def find(text: str) -> list[str]:
    return [form for form in FORMS if form in text]


def dump(server: RedisServer) -> str:
    """Everything that Redis holds, as text."""
    client, found = server.client(), []
    readers: dict[str, Callable[[str], object]] = {
        "string": client.get,
        "hash": client.hgetall,
        "list": lambda key: client.lrange(key, 0, -1),
        "set": client.smembers,
        "zset": lambda key: client.zrange(key, 0, -1),
    }
    for key in client.scan_iter(count=1000):
        reader = readers.get(str(client.type(key)))
        # between two commands a key may be gone
        found.append(f"{key} {reader(key) if reader else ''}")
    client.close()
    return "\n".join(found)


def test_one_command_mode_keeps_the_password(tmp_path: Path, make_registry: MakeRegistry) -> None:
    users = {"bob": PASSWORD}
    source, target = make_registry(users=users), make_registry(users=users)
    push_many(source, "lib/app", [f"{n}" for n in range(30)], size=200_000)
    login = auth("bob", PASSWORD)
    config = write_config(
        tmp_path,
        task("t", location(source, auth=login), location(target, auth=login), mapping("lib/app"), verbose=True),
        task("bad", location(source, auth=login), location(target, auth=login), mapping("no/such")),
    )
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    files: set[str] = set()
    stop = threading.Event()

    def read_files() -> None:
        while not stop.wait(0.02):
            for path in temporary.rglob("*"):
                try:
                    if path.is_file():
                        files.add(path.read_text(errors="replace"))
                except OSError:
                    continue

    reader = threading.Thread(target=read_files)
    reader.start()
    with ProcessSampler() as sampler:
        outcome = sync(config, env={"LOG_LEVEL": "trace", "TMPDIR": str(temporary)})
    stop.set()
    reader.join()
    assert outcome.counts("t") == (30, 0, 0) and outcome.counts("bad") == (0, 0, 1)
    assert any("skopeo" in command and "copy" in command for command in sampler.commands), "transfers were sampled"
    assert not [command for command in sampler.commands if find(command) and str(config.parent) not in command]
    assert not [text for text in sampler.environments if find(text)]
    assert not find(outcome.stdout) and not find(outcome.stderr) and not find(str(outcome.report))
    assert not [text for text in files if find(text)], "no file holds it, not even for a moment"
    assert list(temporary.iterdir()) == []


def test_the_cluster_keeps_the_password(tmp_path: Path, make_registry: MakeRegistry, redis_server: RedisServer) -> None:
    users = {"bob": PASSWORD}
    source, target = make_registry(users=users), make_registry(users=users)
    push_many(source, "lib/app", [f"{n}" for n in range(30)], size=100_000)
    login = auth("bob", PASSWORD)
    config = write_config(
        tmp_path, task("t", location(source, auth=login), location(target, auth=login), mapping("lib/app"))
    )
    one = worker(tmp_path, config, redis_server.url, "w1", LOG_LEVEL="trace")
    scheduler = beat(tmp_path, config, redis_server.url, LOG_LEVEL="trace")
    dumps: list[str] = []

    def done() -> bool:
        dumps.append(dump(redis_server))
        return len(target.tags("lib/app")) == 30

    wait_until(done, timeout=120)
    client = redis_server.client()
    client.config_set("rdbcompression", "no")
    client.save()
    saved = (redis_server.folder / "dump.rdb").read_bytes().decode(errors="replace")
    one.process.stop()
    scheduler.process.stop()
    assert any("lib/app" in text for text in dumps)
    assert not [text for text in dumps if find(text)]
    assert "lib/app" in saved and not find(saved)
    assert not find(one.log.read_text()) and not find(scheduler.log.read_text())


def test_a_crash_message_keeps_the_password(tmp_path: Path, source: Registry, target: Registry) -> None:
    program = (
        "import logging, sys\n"
        "from pathlib import Path\n"
        "from dregsy_queue import logs\n"
        "from dregsy_queue.config.current import CurrentConfig\n"
        "logs.configure()\n"
        "config = CurrentConfig(Path(sys.argv[1])).get()\n"
        "try:\n"
        "    password = config.config.tasks[0].source.credentials.password\n"
        "    raise RuntimeError(f'login with {password} failed: {config}')\n"
        "except RuntimeError:\n"
        "    logging.exception('crash %s', config.config.tasks[0])\n"
    )
    login = auth("bob", PASSWORD)
    config = write_config(tmp_path, task("t", location(source, auth=login), location(target), mapping("a")))
    done = subprocess.run(
        [str(BIN / "python"), "-c", program, str(config)], capture_output=True, text=True, env=dict(os.environ)
    )
    assert "crash" in done.stderr and "RuntimeError" in done.stderr
    assert not find(done.stderr)


def test_errors_in_auth_do_not_show_it(tmp_path: Path) -> None:
    from tests.lab.dregsy import dregsy

    config = write_config(
        tmp_path, task("t", location("a.example", auth="word-Zq81!"), location("b.example"), mapping("a"))
    )
    outcome = dregsy("validate", "-c", str(config))
    assert outcome.code == 1 and "base64" in outcome.stderr and not find(outcome.stderr)
