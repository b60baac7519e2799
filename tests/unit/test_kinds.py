"""One list of relays: what it names can be configured, made, queued and counted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import workers.relays
from dregsy_queue.celery import app
from dregsy_queue.config.models import Config
from dregsy_queue.kinds import KINDS, RELAYS, queue_name
from dregsy_queue.ledger import scripts
from dregsy_queue.settings import from_environment
from workers.relays.available import make


def test_every_folder_of_relays_is_named_and_every_name_has_its_folder() -> None:
    folders = {path.parent.name for path in Path(workers.relays.__path__[0]).glob("*/relay.py")}
    assert folders == set(RELAYS)


@pytest.mark.parametrize("name", RELAYS)
def test_a_relay_can_be_configured_and_made_by_its_name(name: str) -> None:
    config = Config.model_validate({"relay": name, "tasks": []})
    assert make(config.relay, config, from_environment()).kind == name


def test_every_kind_has_its_queue() -> None:
    assert {queue.name for queue in app.conf.task_queues} == {queue_name(kind) for kind in KINDS}


def test_scripts_know_the_kinds() -> None:
    listed = re.search(r"^local KINDS = \{(.*)\}$", scripts._source("admit"), re.MULTILINE)
    assert listed and tuple(re.findall(r"'(\w+)'", listed[1])) == KINDS
