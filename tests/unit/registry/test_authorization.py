"""Signing in: what a registry's refusals and its token server's mean."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from dregsy_queue.oci.login import Credentials
from dregsy_queue.registry.credentials.source import Static
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.responses import Answer
from dregsy_queue.registry.signing_in.authorization import Authorization
from dregsy_queue.registry.signing_in.challenge import Challenge


@pytest.mark.parametrize(("status", "kind"), [(429, "rate-limited"), (401, "auth")])
async def test_a_token_server_that_refuses_is_named_and_its_registry_is_held_up(status: int, kind: str) -> None:
    """Pauses go by the registry: nothing would wait for one of the token server's name."""

    async def refuses(url: str, authorization: str, form: Mapping[str, str] | None) -> Answer:
        return Answer(status, {}, b"not now", url)

    authorization = Authorization("registry.example.com", Static(Credentials("bob", "word")), refuses)
    authorization.learn(Challenge("bearer", "https://tokens.example.com/token"))
    with pytest.raises(RegistryError, match=r"^tokens\.example\.com: signing in to registry\.example\.com: ") as caught:
        await authorization.header("repository:a:pull,push")
    assert (caught.value.kind, caught.value.registry) == (kind, "registry.example.com")
