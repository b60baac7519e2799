"""dregsy's own call: Go's flags, and dregsy's exit codes."""

from __future__ import annotations

import pytest

from dregsy_queue.cli import main
from dregsy_queue.cli.go_flags import translate


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("-config=a", "sync --config=a"),
        ("--config=a", "sync --config=a"),
        ("-config a -run b", "sync --config=a --run=b"),
        ("--run=b --config a", "sync --run=b --config=a"),
        ("-config=a=b", "sync --config=a=b"),
        ("-config=a -run=", "sync --config=a --run="),
        # what is no flag ends it, and is ignored with all behind it
        ("-config=a b -run=c", "sync --config=a"),
        ("-config=a --once --workers 2 --report r b", "sync --config=a --once --workers=2 --report=r"),
        ("-run=b -c a", "sync --run=b -c a"),
        # no config file: the synopsis
        ("", ""),
        ("-run=b", ""),
        ("-config=", ""),
        ("-config= -run=b", ""),
        ("b -config=a", "b -config=a"),
        ("-help", "--help"),
        ("-version", "--version"),
        ("-config=a -help", "sync --config=a --help"),
        ("sync -c a", "sync -c a"),
        ("-configs=a", "-configs=a"),
    ],
)
def test_own_calls(given: str, expected: str) -> None:
    assert translate(given.split()) == expected.split()


@pytest.mark.parametrize(
    ("arguments", "code", "stdout", "stderr"),
    [
        ("", 1, "usage: dregsy -config=FILE [-run=REGEX]", ""),
        ("-run=b", 1, "usage: dregsy -config=FILE [-run=REGEX]", ""),
        ("-config=", 1, "usage: dregsy -config=FILE [-run=REGEX]", ""),
        ("-config", 1, "", "requires an argument"),
        ("-bogus", 1, "", "No such option"),
        ("-config=/no/such -bogus", 1, "", "No such option"),
        ("-confg=x", 1, "", "No such option: -confg; did you mean -config?"),
        ("-config x --onec", 1, "", "did you mean --once?"),
        ("-config=x -run -bogus", 1, "", "No such file"),
        ("--version", 0, "dregsy 0.1.0\n", ""),
        ("staus", 2, "", "Did you mean 'status'?"),
        ("validate /no/such", 1, "", "No such file"),
        ("validate -c /no/such /no/other", 2, "", "two config files"),
        ("-config=/no/such b", 1, "", "No such file"),
        ("-h", 0, "Usage: dregsy", ""),
        ("-help", 0, "Usage: dregsy", ""),
        ("sync", 2, "", "Missing option"),
        ("nonsense", 2, "", "No such command"),
    ],
)
def test_exit_codes(capsys: pytest.CaptureFixture[str], arguments: str, code: int, stdout: str, stderr: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments.split())
    said = capsys.readouterr()
    assert ended.value.code == code
    assert said.out.startswith(stdout) and bool(said.out) is bool(stdout)
    assert stderr in said.err


def test_a_registry_alone_is_no_repository(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["tags", "docker.io"])
    assert ended.value.code == 2 and "'docker.io' names no repository; give registry/path" in capsys.readouterr().err
