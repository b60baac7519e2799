"""`platform: [...]`: an index of some platforms, by the direct relay."""

from __future__ import annotations

import json
from pathlib import Path

from tests.lab.content import ANY, content_of
from tests.lab.dregsy import dregsy, location, mapping, sync, task, write_config
from tests.lab.images import push_image, push_index
from tests.lab.registry import Registry


def test_some_platforms_of_an_index(tmp_path: Path, source: Registry, target: Registry) -> None:
    pushed = push_index(source, "lib/app", "1", platforms=["linux/amd64", "linux/arm64", "linux/s390x"], media="oci")
    plain = push_image(source, "lib/app", "plain")
    wanted = ["linux/amd64", "linux/arm64"]
    copy = mapping("lib/app", "mirror", platform=wanted)
    config = write_config(tmp_path, task("t", location(source), location(target), copy), relay="direct")
    assert sync(config).counts("t") == (2, 0, 0)
    answer = target.session.get(f"{target.url}/v2/mirror/manifests/1", headers={"Accept": ANY})
    assert [entry["digest"] for entry in json.loads(answer.content)["manifests"]] == [
        pushed.children[platform] for platform in wanted
    ]
    for platform in wanted:
        child = pushed.children[platform]
        assert content_of(target, "mirror", child) == content_of(source, "lib/app", child)
    gone = target.session.head(
        f"{target.url}/v2/mirror/manifests/{pushed.children['linux/s390x']}", headers={"Accept": ANY}
    )
    assert gone.status_code == 404
    assert target.digest("mirror", "plain") == plain, "an image of one platform goes as it is"
    assert sync(config).counts("t") == (0, 2, 0)
    push_image(target, "mirror", "1", seed="somebody else")
    assert sync(config).counts("t") == (1, 1, 0)
    assert target.digest("mirror", "1") == answer.headers["Docker-Content-Digest"]


def test_none_of_the_platforms_is_there(tmp_path: Path, source: Registry, target: Registry) -> None:
    push_index(source, "lib/app", "1", platforms=["linux/amd64"])
    copy = mapping("lib/app", platform=["linux/arm64", "linux/s390x"])
    config = write_config(tmp_path, task("t", location(source), location(target), copy), relay="direct")
    outcome = sync(config)
    assert outcome.code == 1
    (job,) = outcome.jobs("t")
    assert job["error"].endswith("lib/app:1 has no image for linux/arm64 and linux/s390x; it has linux/amd64")


def test_only_the_direct_relay_can(tmp_path: Path) -> None:
    copy = mapping("lib/app", platform=["linux/arm64", "linux/s390x"])
    config = write_config(tmp_path, task("t", location("a.example"), location("b.example"), copy))
    outcome = dregsy("validate", str(config))
    assert outcome.code != 0
    assert "relay 'skopeo' does not copy several platforms of an image" in outcome.stdout + outcome.stderr
