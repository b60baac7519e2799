"""Two mappings that write one target: told when the config is loaded, where the config alone tells it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dregsy_queue.config.load import ConfigError, LoadedConfig, load

OTHER = f"sha256:{'a' * 64}"


def loaded(folder: Path, *tasks: str) -> LoadedConfig:
    """Tasks, each given by its mappings, from a.io to b.io."""
    path = folder / "c.yaml"
    lines = ["tasks:"]
    for number, mappings in enumerate(tasks):
        lines.append(f"- {{name: t{number}, source: {{registry: a.io}}, target: {{registry: b.io}}, mappings: [")
        lines.append(f"{mappings}]}}")
    path.write_text("\n".join(lines))
    return load(path)


@pytest.mark.parametrize(
    "second",
    [
        "{from: y, to: x, tags: ['1', '2']}",
        "{from: x, tags: ['1'], platform: linux/arm64}",
        f"{{from: x, tags: ['1@{OTHER}']}}",
        "{from: y, to: //x, tags: ['2', 'regex: .+', '1']}",
    ],
)
def test_in_one_task_it_is_an_error(tmp_path: Path, second: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, "{from: x, tags: ['1']},\n" + second)
    (problem,) = caught.value.problems
    assert (problem.line, problem.key_path) == (4, "tasks[0].mappings[1]")
    assert problem.message.startswith("mappings[0] writes b.io/x:1 too, from a.io/x:1; give one")


def test_between_tasks_it_is_a_warning(tmp_path: Path) -> None:
    (warning,) = loaded(tmp_path, "{from: x, tags: ['1']}", "{from: y, to: x, tags: ['1']}").warnings[-1:]
    assert ":5: tasks[1].mappings[0]: mappings[0] of task 't0' writes b.io/x:1 too" in warning


@pytest.mark.parametrize(
    "second",
    [
        "{from: x, tags: ['1']}",
        "{from: y, tags: ['1']}",
        "{from: y, to: x, tags: ['2']}",
        "{from: y, to: x}",
        f"{{from: y, to: x, tags: ['{OTHER}']}}",
        "{from: y, to: x, tags: ['1', '2', 'keep: latest 1']}",
        "{from: 'regex:y', to: 'regex:y,x', tags: ['1']}",
    ],
)
def test_what_may_be_meant_is_let_pass(tmp_path: Path, second: str) -> None:
    loaded(tmp_path, "{from: x, tags: ['1']},\n" + second)


def test_all_names_of_docker_hub_are_one_registry(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    tasks = [
        f"- {{name: {name}, source: {{registry: {source}}}, target: {{registry: {target}}}, mappings: [*image]}}"
        for name, source, target in (("t", "a.io", "docker.io"), ("u", "b.io", "index.docker.io"))
    ]
    path.write_text("\n".join(["x-image: &image {from: x, tags: ['1']}", "tasks:", *tasks]))
    assert "writes docker.io/x:1 too, from a.io/x:1" in load(path).warnings[-1]
