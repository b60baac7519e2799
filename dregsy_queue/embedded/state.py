"""What one call of one-command mode leaves to the next, in a file: sync records, which save requests and pulls."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeGuard

from dregsy_queue.ledger.records import Records, Saved

log = logging.getLogger(__name__)

#: Of the file; another one is not read.
FORMAT = 1


class StateFile:
    """A JSON file; tasks that a call does not run keep what it has of them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tasks: dict[str, Any] = {}

    def restore(self, records: Records, tasks: Iterable[str]) -> None:
        """Give `records` what the file has. A file that cannot be used is not an error: all images are compared
        again."""
        self._tasks = self._read()
        for task in tasks:
            if saved := _saved(self._tasks.get(task)):
                records.restore(task, saved)

    def save(self, records: Records, tasks: Iterable[str]) -> None:
        """Replace the file in one step. Raises: OSError."""
        for task in tasks:
            saved = records.saved(task)
            self._tasks[task] = {"records": dict(saved.records), "looked": dict(saved.looked)}
        text = json.dumps({"format": FORMAT, "tasks": self._tasks}, indent=1, ensure_ascii=False) + "\n"
        number, name = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=self._path.absolute().parent)
        try:
            with os.fdopen(number, "w", encoding="utf-8") as file:
                file.write(text)
            Path(name).replace(self._path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def _read(self) -> dict[str, Any]:
        try:
            document = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            log.warning("the state in %s cannot be used, all images are compared again: %s", self._path, error)
            return {}
        tasks = document.get("tasks") if isinstance(document, dict) and document.get("format") == FORMAT else None
        if not isinstance(tasks, dict):
            log.warning("the state in %s is not of this release, all images are compared again", self._path)
            return {}
        return tasks


def _saved(task: object) -> Saved | None:
    """None for what no release has written."""
    if not isinstance(task, dict):
        return None
    records, looked = task.get("records"), task.get("looked")
    return Saved(records, looked) if _is_texts(records) and _is_texts(looked) else None


def _is_texts(value: object) -> TypeGuard[dict[str, str]]:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())
