"""`registries:`: which entry counts, and which keys are taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from dregsy_queue.config.load import ConfigError, load
from dregsy_queue.config.registries import limits_for
from dregsy_queue.config.scalars import Rate


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "c.yaml"


@pytest.mark.parametrize(
    ("host", "most"),
    [
        ("docker.io", 1),
        ("registry-1.docker.io", 1),
        ("Registry:5000", 2),
        ("registry", 5),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", 4),
        ("s3.amazonaws.com", 3),
    ],
)
def test_the_most_specific_entry_counts(file: Path, host: str, most: int) -> None:
    file.write_text(
        """
registries:
  '*': {max-concurrent: 5}
  '*.amazonaws.com': {max-concurrent: 3}
  '*.dkr.ecr.*.amazonaws.com': {max-concurrent: 4}
  index.docker.io: {max-concurrent: 1}
  registry:5000: {max-concurrent: 2}
"""
    )
    assert limits_for(load(file).config.registries, host).max_concurrent == most


def test_nothing_is_limited_without_an_entry(file: Path) -> None:
    file.write_text("registries: {a: {transfers: 1/s}}")
    assert limits_for(load(file).config.registries, "b").transfers is None


@pytest.mark.parametrize(
    ("text", "rate"),
    [("100/6h", Rate(100, 21600)), ("20/s", Rate(20, 1)), ("5/m", Rate(5, 60)), ("3/1h30m", Rate(3, 5400))],
)
def test_rates(file: Path, text: str, rate: Rate) -> None:
    file.write_text(f"registries: {{a: {{transfers: {text}, requests: {text}}}}}")
    limits = load(file).config.registries["a"]
    assert (limits.transfers, limits.requests) == (rate, rate)


@pytest.mark.parametrize("text", ["5", "0/s", "-1/s", "5/", "/s", "5/6", "5/1d", "x/s", "5/0s", "1.5/s"])
def test_no_rates(file: Path, text: str) -> None:
    file.write_text(f"registries: {{a: {{transfers: {text}}}}}")
    with pytest.raises(ConfigError, match=r"is not a rate; write NUMBER/WINDOW"):
        load(file)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("{'https://a': {}}", "must be host or host:port as tasks name it"),
        ("{a/b: {}}", "must be host or host:port as tasks name it"),
        ("{docker.io: {}, index.docker.io: {}}", "'docker.io' is the same registry; keep one"),
        ("{a: {endpoint: 'http://a?b'}}", "is not a URL"),
        ("{a: {reserve: -1}}", "registries.a.reserve: must be at least 0"),
    ],
)
def test_bad_entries(file: Path, keys: str, message: str) -> None:
    file.write_text(f"registries: {keys}")
    with pytest.raises(ConfigError) as caught:
        load(file)
    (problem,) = caught.value.problems
    assert message in str(problem)
