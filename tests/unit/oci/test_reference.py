"""References and host names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dregsy_queue.oci.digest import Digest, is_digest, is_registered
from dregsy_queue.oci.hosts import api_host, is_ecr, registry_key, without_port
from dregsy_queue.oci.reference import Reference, api_repository

D = Digest.parse("sha256:" + "a" * 64)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("busybox", "docker.io/library/busybox"),
        ("busybox:1.36", "docker.io/library/busybox:1.36"),
        ("docker.io/busybox", "docker.io/library/busybox"),
        ("xelalex/dregsy", "docker.io/xelalex/dregsy"),
        ("localhost/app", "localhost/app"),
        ("127.0.0.1:5000/a/b/c:x", "127.0.0.1:5000/a/b/c:x"),
        ("[::1]:5000/app:1", "[::1]:5000/app:1"),
        (f"quay.io/a/b:1@{D}", f"quay.io/a/b:1@{D}"),
    ],
)
def test_short_forms_are_those_of_docker(text: str, expected: str) -> None:
    assert str(Reference.parse(text)) == expected


@pytest.mark.parametrize(
    "text", ["", ":1", "a:", "a/b:", "a@", "a@sha256", "UPPER/case:1", "a//b:1", "a/../b:1", "a b:1", "a:b c", "a/b/:1"]
)
def test_no_references(text: str) -> None:
    with pytest.raises(ValueError, match="not an image reference"):
        Reference.parse(text)


names = st.from_regex(r"[a-z0-9]{1,5}(/[a-z0-9]{1,5}){0,2}", fullmatch=True)
tags = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,9}", fullmatch=True)


hosts = st.sampled_from(["a.example", "localhost:5000", "[::1]:5000", "registry"])


@given(
    hosts,
    names,
    st.none() | tags,
    st.none() | st.just(D),
)
def test_parsing_undoes_writing(registry: str, repository: str, tag: str | None, digest: Digest | None) -> None:
    reference = Reference(registry, repository, tag, digest)
    assert Reference.parse_full(str(reference)) == reference
    assert registry == "registry" or Reference.parse(str(reference)) == reference


def test_other_names_of_an_image() -> None:
    reference = Reference.parse_full("docker.io/busybox:1")
    assert (reference.name, reference.short) == ("docker.io/busybox", "1")
    assert str(reference.by_digest(D)) == f"docker.io/busybox@{D}" and reference.by_digest(D).short == D
    assert str(reference.at("127.0.0.1:5000")) == "127.0.0.1:5000/library/busybox:1"
    with pytest.raises(ValueError, match="not a digest"):
        reference.by_digest("sha256")


def test_digests() -> None:
    assert (D.algorithm, D.encoded) == ("sha256", "a" * 64) and Digest.parse(D) == D
    assert Digest.of(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert is_registered(D) and not is_registered("sha256:abc") and is_digest("blake3:abc")


def test_hosts() -> None:
    assert registry_key("Index.Docker.io") == "docker.io" == registry_key("registry-1.docker.io")
    assert api_host("docker.io") == "registry-1.docker.io" and api_host("quay.io") == "quay.io"
    assert api_repository("docker.io", "busybox") == "library/busybox"
    assert api_repository("quay.io", "busybox") == "busybox"
    assert [without_port(host) for host in ("a.b:5000", "a.b", "[::1]:5000")] == ["a.b", "a.b", "::1"]
    assert is_ecr("123456789012.dkr.ecr.eu-west-1.amazonaws.com") and is_ecr("public.ecr.aws")
    assert is_ecr("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn") and not is_ecr("ecr.example.com")
