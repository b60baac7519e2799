"""Loading a config file: everything that is wrong with it, each with line and key."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from dregsy_queue.config import checks, models, registry_paths, yaml_lines
from dregsy_queue.config.collisions import collisions
from dregsy_queue.config.models import Config
from dregsy_queue.errors import DregsyError

#: Biggest config file read, in bytes.
BIGGEST = 16 * 1024 * 1024


@dataclass(frozen=True)
class Problem:
    """One error; as text ``FILE:LINE: KEY: MESSAGE``."""

    file: Path
    #: from 1; 0: there is no line to name
    line: int
    #: as ``tasks[0].source.registry``; empty for the file itself
    key_path: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else str(self.file)
        return f"{where}: " + (f"{self.key_path}: " if self.key_path else "") + self.message


class ConfigError(DregsyError):
    """The file cannot be used; `problems` has every reason, in the order of lines."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True)
class LoadedConfig:
    """A good config, and where its keys stand."""

    path: Path
    config: Config
    warnings: list[str]
    #: changes when the config does; passwords do not count
    fingerprint: str
    source: yaml_lines.Tree = field(repr=False)

    def problem(self, path: yaml_lines.Path, message: str) -> Problem:
        """A problem at a key of this file."""
        return Problem(self.path, self.source.line(path), dotted(path), message)


def load(path: Path) -> LoadedConfig:
    """Read a config file. Raises: ConfigError with all problems."""
    try:
        with path.open("rb") as file:
            content = file.read(BIGGEST + 1)
        text = content.decode()
    except OSError as error:
        absolute = "" if path.is_absolute() else f" (looked for {path.absolute()})"
        raise ConfigError([Problem(path, 0, "", f"cannot be read: {error.strerror}{absolute}")]) from None
    except UnicodeDecodeError:
        raise ConfigError([Problem(path, 1, "", "is not UTF-8 text")]) from None
    if len(content) > BIGGEST:
        raise ConfigError([Problem(path, 1, "", f"is bigger than {BIGGEST // 1024**2} MiB")])
    return loads(text, path)


def loads(text: str, path: Path) -> LoadedConfig:
    """A config from its text; `path` is what its problems call it. Raises: ConfigError with all problems."""
    try:
        source = yaml_lines.parse(text)
    except yaml_lines.SyntaxProblem as problem:
        raise ConfigError([Problem(path, problem.line, "", str(problem))]) from None
    return _validate(path, source)


def _validate(path: Path, source: yaml_lines.Tree) -> LoadedConfig:
    if source.value is None:
        source.value = {}
    if not isinstance(source.value, dict):
        raise ConfigError([Problem(path, 1, "", "must be a mapping with keys such as 'relay' and 'tasks'")])
    # Keys that start with x- are the user's own, a place for anchors.
    value = {key: item for key, item in source.value.items() if not str(key).startswith("x-")}
    found = [Problem(path, line, dotted(key_path), message) for line, key_path, message in source.problems]
    cross = list(checks.problems(value))
    covered = {key_path for key_path, _ in cross}
    found += [Problem(path, source.line(key_path), dotted(key_path), message) for key_path, message in cross]
    config: Config | None = None
    tasks = value.get("tasks")
    if isinstance(tasks, list):
        value["tasks"] = [registry_paths.moved(task) if isinstance(task, dict) else task for task in tasks]
    try:
        config = Config.model_validate(value)
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_input=False):
            key_path = tuple(part for part in detail["loc"])
            # `checks.problems` has already reported this key with a better message.
            if key_path in covered and detail["type"] in ("missing", "model_type", "model_attributes_type"):
                continue
            found.append(Problem(path, source.line(key_path), dotted(key_path), _message(key_path, detail)))
    warnings = list(checks.warnings(value))
    warnings += [str(Problem(path, source.line(at), dotted(at), text)) for at, text in checks.empty_tasks(value)]
    # After other errors there may be no config to compare.
    for collision in collisions(config) if config and not found else ():
        problem = Problem(path, source.line(collision.path), dotted(collision.path), collision.message)
        if collision.one_task:
            found.append(problem)
        else:
            warnings.append(str(problem))
    if found or config is None:
        raise ConfigError(sorted(set(found), key=lambda problem: (problem.line, problem.key_path)))
    return LoadedConfig(path, config, warnings, fingerprint(config), source)


def fingerprint(*parts: Any) -> str:  # noqa: ANN401 - models and plain values
    """16 hex digits that change when `parts` do; passwords do not count."""
    plain = [part.model_dump(mode="json", exclude=_SECRETS) if isinstance(part, Config) else part for part in parts]
    text = json.dumps(plain, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


#: What a fingerprint leaves out: a changed password is not another task.
_SECRETS: Any = {"tasks": {"__all__": {"source": {"auth"}, "target": {"auth"}}}}


def dotted(path: yaml_lines.Path) -> str:
    """As ``tasks[0].source.registry``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else ("." if text else "") + str(part)
    return text


def _message(path: yaml_lines.Path, detail: Any) -> str:  # noqa: ANN401 - pydantic's error details
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(path)
    if path[-2:] == ("lister", "type") and kind == "missing":
        return "is missing; it must be 'catalog', 'dockerhub' or 'index'"
    if kind == "value_error":
        return str(context["error"])
    if kind == "missing":
        return "is missing"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return "must be a mapping of keys"
    if kind == "list_type":
        return "must be a list (lines that start with '- ')"
    if kind in _BOUNDS:
        return f"must be {_BOUNDS[kind]} {next(iter(context.values()))}"
    return str(detail["msg"])


_BOUNDS = {"greater_than_equal": "at least", "less_than_equal": "at most"}


#: Which model a key's value has, for suggestions.
_MODELS: dict[str, type[BaseModel]] = {
    "docker": models.DockerSettings,
    "skopeo": models.SkopeoSettings,
    "tasks": models.SyncTask,
    "source": models.Location,
    "target": models.Location,
    "mappings": models.Mapping,
    "registries": models.RegistryLimits,
}


def _unknown_key(path: yaml_lines.Path) -> str:
    names = [part for part in path[:-1] if isinstance(part, str)]
    if not names:
        model: type[BaseModel] = Config
    elif names[0] == "registries":
        model = models.RegistryLimits
    elif names[-1] == "lister":
        model = models.ListerConfig if len(names) > 1 else models.ListerSettings
    else:
        model = _MODELS.get(names[-1], Config)
    if model is models.Location and path[-1] in ("user", "username", "password", "token"):
        return f'unknown key \'{path[-1]}\'; \'auth\' holds a login: base64 of {{"username": "…", "password": "…"}}'
    known = [info.alias or name for name, info in model.model_fields.items()]
    # The most frequent mistakes are wrong case and wrong dashes.
    plain = {name.lower().replace("-", ""): name for name in known}
    wanted = re.sub(r"[-_ ]", "", str(path[-1]).lower())
    near = difflib.get_close_matches(wanted, plain, n=1, cutoff=0.5)
    hint = f"did you mean '{plain[near[0]]}'?" if near else f"known here: {', '.join(sorted(known))}"
    return f"unknown key '{path[-1]}'; {hint}"
