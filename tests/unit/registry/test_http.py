"""What is left out while aiohttp is loaded is there again afterwards."""

from __future__ import annotations

import ssl

import pytest

from dregsy_queue.registry.tls import TLSSettings, make_context


@pytest.mark.skipif(not ssl.create_default_context().cert_store_stats()["x509_ca"], reason="no authorities here")
def test_a_registrys_context_trusts_the_systems_authorities() -> None:
    from dregsy_queue.registry import http

    assert http.aiohttp.ClientSession.__module__ == "aiohttp.client"
    assert make_context("registry.example", TLSSettings()).cert_store_stats()["x509_ca"]


def test_nothing_of_the_module_stays_in_pythons_class() -> None:
    assert "set_default_verify_paths" not in vars(ssl.SSLContext)
