"""A path behind a registry's host stands before every path of that side, as dregsy has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dregsy_queue.config.load import ConfigError, loads

TASK = """
tasks:
- {{name: t, source: {{registry: {source}}}, target: {{registry: {target}}}, mappings: [{mapping}]}}
"""


def _read(source: str, target: str, mapping: str) -> tuple[str, str, list[tuple[str, str]]]:
    text = TASK.format(source=source, target=target, mapping=mapping)
    (task,) = loads(text, Path("dregsy.yaml")).config.tasks
    pairs = task.mappings[0].paths.pairs(["lib/app", "other"])
    return task.source.registry, task.target.registry, pairs


@pytest.mark.parametrize(
    ("source", "target", "mapping", "pairs"),
    [
        ("a:5000/team", "b", "{from: lib/app}", [("/team/lib/app", "/lib/app")]),
        ("a:5000", "b/x/y", "{from: lib/app}", [("/lib/app", "/x/y/lib/app")]),
        ("a:5000/team", "b/x/y", "{from: /lib/app, to: /q}", [("/team/lib/app", "/x/y/q")]),
        ("a:5000/team", "b/x", "{from: lib/app, to: 'regex:^/lib/(.+),n-$1'}", [("/team/lib/app", "/x/n-app")]),
        ("a:5000", "b/x", "{from: 'regex:lib/.*'}", [("/lib/app", "/x/lib/app")]),
        ("a:5000", "b/x", "{from: 'regex:lib/.*', to: mirror}", [("/lib/app", "/x/mirror/lib/app")]),
    ],
)
def test_it_stands_before_the_paths(source: str, target: str, mapping: str, pairs: list[tuple[str, str]]) -> None:
    """The first four as dregsy 0.5.2 copied them."""
    assert _read(source, target, mapping) == (source.partition("/")[0], target.partition("/")[0], pairs)


def test_an_account_of_ecr_stays_with_the_host() -> None:
    registry = "123456789012:us-east-1@public.ecr.aws"
    assert _read("a", f"'{registry}/alias'", "{from: app}") == ("a", registry, [("/app", "/alias/app")])


@pytest.mark.parametrize(
    ("source", "target", "mapping", "words"),
    [
        ("a/team", "b", "{from: 'regex:lib/.*'}", "move the path behind the source's host into it"),
        ("a", "b/x", "{from: 'regex:lib/.*', to: 'regex:lib,x'}", "move the path behind the target's host into this"),
        ("a/Team", "b", "{from: lib}", "and the path in 'from' or 'to'"),
        ("a/team", "b", "{from: ''}", "mapping without 'From' path"),
    ],
)
def test_where_it_cannot(source: str, target: str, mapping: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        _read(source, target, mapping)


def test_mappings_that_tasks_share_by_an_anchor_stay_as_they_are() -> None:
    text = """
x-mappings: &m [{from: app}]
tasks:
- {name: one, source: {registry: a/b}, target: {registry: c}, mappings: *m}
- {name: two, source: {registry: a}, target: {registry: c/d}, mappings: *m}
"""
    one, two = loads(text, Path("dregsy.yaml")).config.tasks
    assert [task.mappings[0].paths.pairs() for task in (one, two)] == [[("/b/app", "/app")], [("/app", "/d/app")]]
