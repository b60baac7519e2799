"""What is left out while aiohttp is loaded is there again afterwards."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

import pytest

from dregsy_queue.registry.listers.hub_api import HubApi
from dregsy_queue.registry.tls import TLSSettings, make_context


@pytest.mark.skipif(not ssl.create_default_context().cert_store_stats()["x509_ca"], reason="no authorities here")
def test_a_registrys_context_trusts_the_systems_authorities() -> None:
    from dregsy_queue.registry import http

    assert http.aiohttp.ClientSession.__module__ == "aiohttp.client"
    assert make_context("registry.example", TLSSettings()).cert_store_stats()["x509_ca"]


def test_nothing_of_the_module_stays_in_pythons_class() -> None:
    assert "set_default_verify_paths" not in vars(ssl.SSLContext)


async def test_docker_hubs_own_api_is_asked_under_a_context_of_ours() -> None:
    async with HubApi().session() as session:
        assert session.connector is not None
        chosen = session.connector._ssl  # type: ignore[attr-defined]
    assert isinstance(chosen, ssl.SSLContext)
    assert chosen.verify_mode == ssl.CERT_REQUIRED


def test_nobody_uses_an_aiohttp_that_was_loaded_otherwise() -> None:
    root = Path(__file__).parents[3]
    users = [path for package in ("dregsy_queue", "workers") for path in (root / package).rglob("*.py")]
    direct = [path.name for path in users if re.search(r"^\s*import aiohttp", path.read_text(), re.MULTILINE)]
    assert direct == ["http.py"]
