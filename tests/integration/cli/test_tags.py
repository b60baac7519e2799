"""`dregsy tags`: a tag list tried on a real repository, with the config's login."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import MakeRegistry
from tests.lab.dregsy import auth, dregsy, location, mapping, task, write_config
from tests.lab.images import push_many


def test_selected_tags_and_what_each_filter_leaves(tmp_path: Path, make_registry: MakeRegistry) -> None:
    registry = make_registry(users={"bob": "a password"})
    push_many(registry, "team/web", ["1.0.0", "1.1.0", "1.2.0", "edge"])
    side = location(registry, auth=auth("bob", "a password"))
    config = write_config(tmp_path, task("web", side, side, mapping("team/web", "mirror/web")))
    wanted = [f"{registry.host}/team/web", "-c", str(config), "--filter", "semver: >=1.1.0", "-f", "keep: latest 1"]

    text = dregsy("tags", *wanted)
    assert (text.code, text.stdout) == (0, "1.2.0\n")
    assert text.stderr == "4 tags, semver: >=1.1.0 → 2, keep: latest 1 → 1\n"
    assert json.loads(dregsy("tags", *wanted, "--json").stdout)["selected"] == ["1.2.0"]

    refused = dregsy("tags", f"{registry.host}/team/web", "--skip-tls-verify")
    assert (refused.code, refused.stdout) == (1, "") and "requires a login" in refused.stderr
    assert dregsy("tags", f"{registry.host}/team/web:edge").code == 2
    assert dregsy("tags", f"{registry.host}/team/web", "-f", "regex: (").code == 2
