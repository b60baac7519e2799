"""The atomic steps: every ``lua/*.lua`` file as a callable of the same name.

Before each one stands what all share, and before a large one its parts, as Redis' Lua cannot load other files.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from redis.exceptions import NoScriptError

from dregsy_queue.kinds import KINDS
from dregsy_queue.ledger.connection import Connection, Script
from dregsy_queue.prefix import PREFIX

#: Files of ``lua/NAME/`` for scripts that have parts.
PARTS = {"audit": ("jobs", "counts", "runs", "indexes", "records")}
#: Lua put between what is shared and each script; a test puts another clock there.
between = ""

#: A script's name, and its arguments.
Call = tuple[str, Sequence[str | float]]


@cache
def _source(name: str, between: str = "") -> str:
    folder = files(__package__) / "lua"
    shared = (folder / "common.lua").read_text(encoding="utf-8")
    for line in (f"local KINDS = {{{', '.join(map(repr, KINDS))}}}", f"local PREFIX = {PREFIX!r}"):
        start = line.partition("=")[0]
        shared = re.sub(f"^{start}=.*$", line, shared, count=1, flags=re.MULTILINE)
    parts = "".join((folder / name / f"{part}.lua").read_text(encoding="utf-8") for part in PARTS.get(name, ()))
    return shared + between + parts + (folder / f"{name}.lua").read_text(encoding="utf-8")


@cache
def _hash(source: str) -> str:
    """Redis' name for it."""
    return hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()


class Scripts:
    """Runs ``lua/NAME.lua`` by its name: ``Scripts(connection).run("claim", job, epoch, worker)``.

    Scripts are sent by their hash; Redis is given the source once (and again after it forgot it).
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._scripts: dict[str, Script] = {}

    def run(self, name: str, *args: str | float) -> Any:  # noqa: ANN401 - what a script answers is its own
        return self._script(name)(args=args)

    def run_all(self, name: str, calls: Iterable[Sequence[str | float]]) -> list[Any]:
        """One script for many arguments, in one call to Redis; see `run_many`."""
        return self.run_many([(name, args) for args in calls])

    def run_many(self, calls: Sequence[Call]) -> list[Any]:
        """Scripts in one call to Redis; each is atomic by itself. An error that Redis answers to one stands in its
        place. Raises: redis.ConnectionError or TimeoutError, when any may have run."""
        answers = self._send(calls)
        unknown = [index for index, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if unknown:
            # Redis forgot them, and ran none of these.
            for name in {calls[index][0] for index in unknown}:
                self._connection.script_load(_source(name, between))
            for index, answer in zip(unknown, self._send([calls[index] for index in unknown]), strict=True):
                answers[index] = answer
        return answers

    def _send(self, calls: Iterable[Call]) -> list[Any]:
        pipeline = self._connection.pipeline(transaction=False)
        for name, args in calls:
            pipeline.execute_command("EVALSHA", _hash(_source(name, between)), 0, *args)
        return pipeline.execute(raise_on_error=False)

    def _script(self, name: str) -> Script:
        script = self._scripts.get(name)
        if script is None:
            script = self._scripts[name] = self._connection.register_script(_source(name, between))
        return script
