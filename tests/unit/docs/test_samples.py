"""Config samples are configs: each YAML block is loaded as a user's file is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from dregsy_queue.config.load import load
from tests.unit.docs.pages import Code, code

#: Top-level keys of files that are not ours.
_FOREIGN = {
    "apiVersion",
    "services",
    "scrape_configs",
    "groups",
    "receivers",
    "route",
    "on",
    "patches",
    "version",
    "creds",
    "sync",
}
_TASK: dict[str, Any] = {
    "name": "sample",
    "source": {"registry": "docker.io"},
    "target": {"registry": "registry.example.com"},
    "mappings": [{"from": "library/busybox"}],
}
SAMPLES = [one for one in code() if one.block and one.language in ("yaml", "yml")]


def _whole(sample: Any) -> dict[str, Any]:
    """A fragment as a whole config: a list holds tasks or mappings, a mapping with `tags` is one."""
    if isinstance(sample, list):
        sample = {"tasks": sample} if "name" in sample[0] else {"tasks": [{**_TASK, "mappings": sample}]}
    elif sample.keys() & {"from", "tags"}:
        sample = {"tasks": [{**_TASK, "mappings": [{"from": "library/busybox", **sample}]}]}
    elif sample.keys() & {"source", "target", "mappings"}:
        sample = {"tasks": [{**_TASK, **sample}]}
    return {"tasks": [_TASK], **sample}


@pytest.mark.parametrize("sample", SAMPLES, ids=[one.place for one in SAMPLES])
def test_a_sample_is_a_config_that_loads(sample: Code, tmp_path: Path) -> None:
    parsed = yaml.safe_load(sample.text)
    if isinstance(parsed, dict) and parsed.keys() & _FOREIGN:
        return
    file = tmp_path / "sample.yaml"
    file.write_text(yaml.safe_dump(_whole(parsed), sort_keys=False))
    load(file)


def test_there_are_samples() -> None:
    assert len(SAMPLES) >= 5
