"""What a relay is told about a registry: its login, its certificates, and the name by which it reaches it."""

from __future__ import annotations

from urllib.parse import urlsplit

from dregsy_queue.access.clients import RegistryAccess
from dregsy_queue.access.identity import choose_source
from dregsy_queue.config.models import Location
from dregsy_queue.oci.reference import Reference
from dregsy_queue.registry.tls import certificate_folder
from workers.relays.relay import Access


async def relay_access(registries: RegistryAccess, location: Location, repository: str) -> Access:
    """For one repository. Raises: RegistryError when a login is configured and cannot be obtained."""
    plain = (registries.endpoint(location) or "").startswith("http://")
    return Access(
        credentials=await choose_source(location).credentials(repository),
        skip_tls_verify=location.skip_tls_verify or plain,
        certificates=certificate_folder(registries.certs_dir, location.host),
        client=registries.client(location),
    )


def relay_reference(registries: RegistryAccess, location: Location, reference: Reference) -> Reference:
    """`reference` as a relay must call it: at the registry's `endpoint`, where one is configured."""
    endpoint = registries.endpoint(location)
    return reference.at(urlsplit(endpoint).netloc) if endpoint else reference
