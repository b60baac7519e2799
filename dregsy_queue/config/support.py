"""Keys that a config may hold but whose function this version does not have yet: refused, never ignored."""

from __future__ import annotations

from collections.abc import Iterator

from dregsy_queue.config.load import LoadedConfig, Problem
from dregsy_queue.config.models import Location
from dregsy_queue.config.tree import Path


def check_supported(loaded: LoadedConfig) -> list[Problem]:
    """A problem for each key that this version cannot serve yet."""
    return [
        loaded.problem(path, f"{what} is not supported yet by this version; {do}") for path, what, do in _find(loaded)
    ]


def _find(loaded: LoadedConfig) -> Iterator[tuple[Path, str, str]]:
    config = loaded.config
    for place, task in enumerate(config.tasks):
        path: Path = ("tasks", place)
        for side, location in (("source", task.source), ("target", task.target)):
            yield from _location((*path, side), location)


def _location(path: Path, location: Location) -> Iterator[tuple[Path, str, str]]:
    if location.auth_refresh is not None:
        yield (*path, "auth-refresh"), "'auth-refresh'", "give a token as 'auth'"
    if location.aws_profile:
        yield (*path, "aws-profile"), "'aws-profile'", "give a token as 'auth'"
    if location.aws_role_arn:
        yield (*path, "aws-role-arn"), "'aws-role-arn'", "give a token as 'auth'"
