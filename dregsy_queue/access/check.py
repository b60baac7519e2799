"""Can a config work? Each registry as each identity: reach, certificate, login, lists, and the right to push.

Nothing is transferred, and nothing is left at a target.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from dregsy_queue.access import diagnosis
from dregsy_queue.access.clients import RegistryAccess
from dregsy_queue.access.diagnosis import Finding
from dregsy_queue.access.identity import choose_source, ecr_api
from dregsy_queue.access.repositories import ListsInMemory, list_repositories
from dregsy_queue.concurrency import completed
from dregsy_queue.config.models import Config, Location, Mapping, SyncTask
from dregsy_queue.oci.login import Credentials
from dregsy_queue.registry.client import RegistryClient
from dregsy_queue.registry.credentials.source import CredentialsSource
from dregsy_queue.registry.errors import RegistryError

#: Repositories of one registry that are tried at once.
AT_ONCE = 16


@dataclass
class _Identity:
    """One registry as one identity sees it, and all that the config wants of it."""

    location: Location
    reads: dict[str, SyncTask] = field(default_factory=dict)
    writes: dict[str, SyncTask] = field(default_factory=dict)


@dataclass(frozen=True)
class RegistryReport:
    registry: str
    #: who signs in; empty: nobody
    user: str
    #: names of tasks that read from it, and that write to it
    source_of: tuple[str, ...]
    target_of: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def good(self) -> bool:
        return all(finding.good for finding in self.findings)


async def check(config: Config, tasks: Sequence[SyncTask], access: RegistryAccess) -> list[RegistryReport]:
    """Look at every registry that `tasks` name, all at once; in the order of the config."""
    identities: dict[tuple[str, CredentialsSource, bool], _Identity] = {}
    for task in tasks:
        for location, is_source in ((task.source, True), (task.target, False)):
            key = (location.host, choose_source(location), location.skip_tls_verify)
            found = identities.setdefault(key, _Identity(location))
            (found.reads if is_source else found.writes)[task.name] = task
    lists = ListsInMemory()
    return list(await asyncio.gather(*(_check(config, found, access, lists) for found in identities.values())))


async def _check(config: Config, identity: _Identity, access: RegistryAccess, lists: ListsInMemory) -> RegistryReport:
    user = ""

    def report(*findings: Finding) -> RegistryReport:
        return RegistryReport(
            identity.location.host, user, tuple(identity.reads), tuple(identity.writes), tuple(findings)
        )

    try:
        credentials = await choose_source(identity.location).credentials()
    except RegistryError as error:
        return report(Finding("login", "", "no-identity", str(error), "see 'Who signs in' in docs/configuration.md"))
    user = credentials.username if credentials else ""
    try:
        client = access.client(identity.location)
        await client.get_json("/v2/", what="its API")
    except RegistryError as error:
        # Anonymous: a registry may refuse its base URL although its repositories are public.
        if error.kind != "auth" or credentials is not None:
            finding = diagnosis.of_registry(error, credentials)
            return report(*_steps_before(finding), finding)
    good = [Finding("reach"), Finding("certificate"), Finding("login")]
    looks = [_look_at(config, task, access, lists, client, credentials) for task in identity.reads.values()]
    listed = [finding for found in await asyncio.gather(*looks) for finding in found]
    pushes = await _targets(config, identity, access, lists)
    tries = (_try_push(client, identity.location, target, credentials) for target in pushes)
    pushed = [finding async for finding in completed(tries, AT_ONCE)]
    found = sorted({*listed, *pushed}, key=lambda finding: (finding.step, finding.repository))
    return report(*good, *found)


def _steps_before(finding: Finding) -> list[Finding]:
    return {
        "certificate": [Finding("reach")],
        "login": [Finding("reach"), Finding("certificate")],
    }.get(finding.step, [])


async def _look_at(
    config: Config,
    task: SyncTask,
    access: RegistryAccess,
    lists: ListsInMemory,
    client: RegistryClient,
    credentials: Credentials | None,
) -> list[Finding]:
    """Every source repository of a task; one list of repositories where expressions select them."""
    found: list[Finding] = []
    plain: dict[str, Mapping] = {}
    for mapping in task.mappings:
        if mapping.paths.needs_listing:
            found.append(await _list_repositories(config, task, access, lists, credentials))
        else:
            plain.update({source.lstrip("/"): mapping for source, _ in mapping.paths.pairs()})
    looks = (_read(client, repository, mapping, credentials) for repository, mapping in plain.items())
    return found + [finding async for finding in completed(looks, AT_ONCE)]


async def _list_repositories(
    config: Config, task: SyncTask, access: RegistryAccess, lists: ListsInMemory, credentials: Credentials | None
) -> Finding:
    try:
        await list_repositories(config, task, access, lists)
    except RegistryError as error:
        finding = diagnosis.of_repository("list", "the list of repositories", error, credentials)
        advice = "choose another 'lister' for this source, or name the repositories in 'from'"
        return Finding("list", "", "no-repository-list", finding.text, advice)
    return Finding("list")


async def _read(client: RegistryClient, repository: str, mapping: Mapping, credentials: Credentials | None) -> Finding:
    """Its tags, or the first image where tags are named one by one: what the sync itself will ask."""
    try:
        if mapping.tag_set.needs_listing:
            await client.may_list(repository)
            return Finding("list", repository)
        item = mapping.tag_set.verbatim[0]
        if await client.head(repository, item.digest or item.tag or "") is not None:
            return Finding("list", repository)
        await client.may_list(repository)
    except RegistryError as error:
        return diagnosis.of_repository("list", repository, error, credentials)
    return Finding(
        "list", repository, "missing-image", f"{repository} has no {item}", "check 'tags': this one does not exist"
    )


async def _targets(config: Config, identity: _Identity, access: RegistryAccess, lists: ListsInMemory) -> list[str]:
    """Repositories that pushes go to: all that are named, and the first that each expression leads to."""
    found: dict[str, None] = {}
    for task in identity.writes.values():
        for mapping in task.mappings:
            try:
                names = await list_repositories(config, task, access, lists) if mapping.paths.needs_listing else []
            except RegistryError:
                # The source's own report says so.
                continue
            pairs = mapping.paths.pairs(names)
            found.update(
                {target.lstrip("/"): None for _, target in pairs[: 1 if mapping.paths.needs_listing else None]}
            )
    return list(found)


async def _try_push(
    client: RegistryClient, location: Location, repository: str, credentials: Credentials | None
) -> Finding:
    try:
        await client.may_push(repository)
    except RegistryError as error:
        if error.kind == "not-found" and ecr_api(location) is not None:
            return Finding("push", repository)  # the sync creates it
        return diagnosis.of_repository("push", repository, error, credentials)
    return Finding("push", repository)
