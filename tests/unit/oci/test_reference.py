"""References and host names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dregsy_queue.oci.hosts import api_host, is_ecr, registry_key, without_port
from dregsy_queue.oci.reference import Reference, api_repository

D = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("busybox", "docker.io/library/busybox:latest"),
        ("busybox:1.36", "docker.io/library/busybox:1.36"),
        ("docker.io/busybox", "docker.io/library/busybox:latest"),
        ("index.docker.io/library/busybox:1", "docker.io/library/busybox:1"),
        ("xelalex/dregsy", "docker.io/xelalex/dregsy:latest"),
        ("localhost/app", "localhost/app:latest"),
        ("localhost:5000/app:1", "localhost:5000/app:1"),
        ("127.0.0.1:5000/a/b/c:x", "127.0.0.1:5000/a/b/c:x"),
        ("[::1]:5000/app:1", "[::1]:5000/app:1"),
        (f"quay.io/a/b@{D}", f"quay.io/a/b@{D}"),
        (f"quay.io/a/b:1@{D}", f"quay.io/a/b:1@{D}"),
    ],
)
def test_canonical_form(text: str, expected: str) -> None:
    assert str(Reference.parse(text).canonical()) == expected


@pytest.mark.parametrize(
    "text", ["", ":1", "a:", "a/b:", "a@", "a@sha256", "UPPER/case:1", "a//b:1", "a/../b:1", "a b:1", "a:b c", "a/b/:1"]
)
def test_no_references(text: str) -> None:
    with pytest.raises(ValueError, match="not an image reference"):
        Reference.parse(text)


names = st.from_regex(r"[a-z0-9]{1,5}(/[a-z0-9]{1,5}){0,2}", fullmatch=True)
tags = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,9}", fullmatch=True)


@given(st.sampled_from(["a.example", "localhost:5000", "[::1]:5000"]), names, st.none() | tags, st.none() | st.just(D))
def test_parsing_undoes_writing(registry: str, repository: str, tag: str | None, digest: str | None) -> None:
    reference = Reference(registry, repository, tag, digest)
    assert Reference.parse(str(reference)) == reference


def test_hosts() -> None:
    assert registry_key("Index.Docker.io") == "docker.io" == registry_key("registry-1.docker.io")
    assert api_host("docker.io") == "registry-1.docker.io" and api_host("quay.io") == "quay.io"
    assert api_repository("docker.io", "busybox") == "library/busybox"
    assert api_repository("quay.io", "busybox") == "busybox"
    assert [without_port(host) for host in ("a.b:5000", "a.b", "[::1]:5000")] == ["a.b", "a.b", "::1"]
    assert is_ecr("123456789012.dkr.ecr.eu-west-1.amazonaws.com") and is_ecr("public.ecr.aws")
    assert is_ecr("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn") and not is_ecr("ecr.example.com")
