"""A ~/.netrc is nobody's login: what may sign in says the config."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import MakeProxy
from tests.lab.dregsy import location, mapping, sync, task, write_config
from tests.lab.images import push_image
from tests.lab.registry import Registry


def test_netrc_is_not_read(
    tmp_path: Path, source: Registry, target: Registry, make_proxy: MakeProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".netrc").write_text("machine 127.0.0.1 login bob password secret\n")
    push_image(source, "lib/app", "1")
    watched = make_proxy(source)
    work = task("t", location(watched.host, auth="none"), location(target), mapping("lib/app"))
    done = sync(write_config(tmp_path, work, relay="direct"), env={"HOME": str(home)})
    assert done.counts("t") == (1, 0, 0)
    assert {entry.authorization for entry in watched.log} == {""}
