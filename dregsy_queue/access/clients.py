"""API clients for the registries of a task, and target repositories that exist before a push."""

from __future__ import annotations

import functools
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from dregsy_queue.access.digests import digest_lister
from dregsy_queue.access.identity import choose_source, ecr_api, ecr_source
from dregsy_queue.concurrency import CLOUD_THREADS, SingleFlight, in_threads
from dregsy_queue.config.models import Config, Location
from dregsy_queue.config.registries import limits_for
from dregsy_queue.logs import log_fields
from dregsy_queue.registry.client import RegistryClient
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.head_memory import HeadMemory
from dregsy_queue.registry.listers.digests import BulkDigests
from dregsy_queue.registry.pool import Registries
from dregsy_queue.registry.throttle import Pacer
from dregsy_queue.registry.tls import TLSSettings

if TYPE_CHECKING:
    from dregsy_queue.registry.credentials.ecr import EcrSource

log = logging.getLogger(__name__)


class RegistryAccess:
    """Registries under one config; clients are shared by all tasks that reach a registry the same way."""

    def __init__(self, config: Config, pacer: Pacer, memory: HeadMemory | None = None) -> None:
        self._config = config
        #: by host; asked for with each image
        self._limits = functools.cache(lambda host: limits_for(config.registries, host))
        #: target repositories that are known to exist, so that each is created or looked up once
        self._prepared: SingleFlight[tuple[EcrSource, str], None] = SingleFlight()
        #: ECR registries in which this identity may not create repositories
        self._unprepared: set[EcrSource] = set()
        self._bulk: dict[tuple[RegistryClient, str, bool], BulkDigests | None] = {}
        self._registries = Registries(
            endpoint_of=lambda host: self._limits(host).endpoint,
            ca_of=lambda host: self._limits(host).ca,
            pacer=pacer,
            memory=memory,
        )

    def client(self, location: Location, endpoint: str | None = None) -> RegistryClient:
        source = choose_source(location)
        tls = TLSSettings(skip_verify=location.skip_tls_verify, certs_dir=self.certs_dir)
        return self._registries.client(location.host, source, tls, endpoint)

    def source_digests(self, location: Location) -> BulkDigests | None:
        """What tells of many tags at once there, if anything does."""
        return self._digests(location, at_source=True)

    def target_digests(self, location: Location) -> BulkDigests | None:
        return self._digests(location, at_source=False)

    def _digests(self, location: Location, *, at_source: bool) -> BulkDigests | None:
        client = self.client(location)
        key = (client, location.registry, at_source)
        if key not in self._bulk:
            setting = self._limits(location.host)
            lister = digest_lister(location, client, setting, at_source=at_source)
            look = client.head if at_source else client.head_target
            self._bulk[key] = BulkDigests(lister, look, location.host) if lister else None
        return self._bulk[key]

    async def prepare_target(self, location: Location, repository: str) -> None:
        """Create the target repository where a registry wants that done first. Raises: RegistryError."""
        aws = ecr_api(location)
        if aws is None or aws in self._unprepared:
            return
        try:
            await self._prepared.run((aws, repository), lambda: _make_sure(aws, repository))
        except RegistryError as error:
            if ecr_source(location) is not None:
                raise
            # With `auth` there may be no AWS identity. Go on: the push fails if the repository is missing.
            if not error.temporary:
                self._unprepared.add(aws)
            log.info("target repositories are not created: %s", error, extra=log_fields(registry=location.host))

    def forget_target(self, location: Location, repository: str) -> None:
        """A push failed for good: the repository may be deleted, so the next one makes sure of it again."""
        if aws := ecr_api(location):
            self._prepared.forget((aws, repository))

    async def aclose(self) -> None:
        await self._registries.aclose()

    @property
    def certs_dir(self) -> Path:
        """The folder with one folder of certificates per registry host."""
        return Path(self._config.skopeo.certs_dir)

    def endpoint(self, location: Location) -> str | None:
        """Where the registry's API really is, where the config says so (``registries.HOST.endpoint``)."""
        return self._limits(location.host).endpoint


async def _make_sure(aws: EcrSource, repository: str) -> None:
    if await in_threads(CLOUD_THREADS, lambda: aws.ensure_repository(repository)):
        log.info("repository created", extra=log_fields(registry=aws.registry.host, repository=repository))
