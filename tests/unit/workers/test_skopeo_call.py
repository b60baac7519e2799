"""What skopeo is called with."""

from __future__ import annotations

import contextlib
import json
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dregsy_queue.oci.login import Credentials
from dregsy_queue.oci.reference import Reference
from dregsy_queue.registry.tls import certificate_folder
from workers.relays.relay import Access, Copy, RelayError
from workers.relays.skopeo.relay import SkopeoRelay

SOURCE = "src.example:5000/a/b@sha256:" + "a" * 64
TARGET = "tgt.example/x/y:2.0"
ALWAYS = ["--insecure-policy", "copy", "--preserve-digests", "--retry-times", "0"]
ANY_CLIENT: Any = None
NOBODY = Access(None, False, None, ANY_CLIENT)


@pytest.fixture
def skopeo(tmp_path: Path) -> Path:
    """Writes down its arguments, and the auth files that they name."""
    program = tmp_path / "skopeo"
    program.write_text(
        "#!/bin/sh\n"
        f'for each; do echo "$each" >> {tmp_path}/arguments; done\n'
        f"for each; do case $each in *authfile=*) cat ${{each#*=}} >> {tmp_path}/auth;; esac; done\n"
    )
    program.chmod(0o755)
    return program


async def called(skopeo: Path, source: Access, target: Access, *, all_platforms: bool = False) -> list[str]:
    await SkopeoRelay(str(skopeo)).copy(
        Copy(Reference.parse_full(SOURCE), Reference.parse_full(TARGET), source, target, all_platforms, is_read=True)
    )
    return (skopeo.parent / "arguments").read_text().splitlines()


async def test_nobody_signs_in_unless_told(skopeo: Path) -> None:
    arguments = await called(skopeo, NOBODY, NOBODY)
    assert arguments == [*ALWAYS, "--src-no-creds", "--dest-no-creds", f"docker://{SOURCE}", f"docker://{TARGET}"]


async def test_each_side_as_it_is_configured(skopeo: Path, tmp_path: Path) -> None:
    (tmp_path / "certs.d" / "src.example").mkdir(parents=True)
    folder = certificate_folder(tmp_path / "certs.d", "src.example:5000")
    source = Access(Credentials("al", 's:e c%s"\\'), skip_tls_verify=True, certificates=folder, client=ANY_CLIENT)
    arguments = await called(skopeo, source, NOBODY, all_platforms=True)
    assert arguments[:7] == [*ALWAYS, "--all", "--src-tls-verify=false"]
    assert arguments[7] == f"--src-cert-dir={tmp_path}/certs.d/src.example"
    assert arguments[8].startswith("--src-authfile=/proc/self/fd/")
    assert arguments[9:] == ["--dest-no-creds", f"docker://{SOURCE}", f"docker://{TARGET}"]
    assert not [argument for argument in arguments if "s:e" in argument]
    auths = json.loads((tmp_path / "auth").read_text())["auths"]
    assert auths == {"src.example:5000": {"auth": "YWw6czplIGMlcyJc"}}


@pytest.mark.parametrize(
    ("host", "name"),
    [("a.example", "a.example"), ("a.example:5000", "a.example"), ("[::1]:5000", "::1"), ("[::1]", "::1")],
)
def test_certificates_are_found_by_host_without_port(tmp_path: Path, host: str, name: str) -> None:
    assert certificate_folder(tmp_path, host) is None
    (tmp_path / name).mkdir()
    assert certificate_folder(tmp_path, host) == tmp_path / name


@contextlib.contextmanager
def no_more_files() -> Iterator[None]:
    """This process opens no more files. A relay meets a limit of processes or memory in the same place."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("source", [NOBODY, Access(Credentials("al", "pass"), False, None, ANY_CLIENT)])
async def test_a_program_that_cannot_be_started_just_now_is_not_missing(skopeo: Path, source: Access) -> None:
    with no_more_files():
        problem = await SkopeoRelay(str(skopeo)).problem()
        with pytest.raises(RelayError) as raised:
            await called(skopeo, source, NOBODY)
    assert problem == str(raised.value)
    assert "cannot be started just now: Too many open files" in problem and "install" not in problem
    assert (raised.value.kind, raised.value.temporary) == ("away", True)
    assert await SkopeoRelay(str(skopeo)).problem() is None
