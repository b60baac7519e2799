"""`dregsy tags`: which tags does a list of filters select?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import click

from dregsy_queue.access.clients import RegistryAccess
from dregsy_queue.cli.validate import load_or_exit
from dregsy_queue.config import secrets
from dregsy_queue.config.models import Config, Location
from dregsy_queue.matching.attrition import Attrition, attrition
from dregsy_queue.matching.tags import TagSet
from dregsy_queue.oci.hosts import registry_key
from dregsy_queue.oci.reference import Reference
from dregsy_queue.redact import scrub
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.throttle import NoPacing


@click.command(
    epilog="""\b
Examples:
  dregsy tags docker.io/library/busybox --filter 'semver: >=1.36.0' --filter 'keep: latest 5'
  dregsy tags registry.example.com/team/web -c dregsy.yaml --filter 'regex: v[0-9]+'
"""
)
@click.argument("repository")
@click.option("-f", "--filter", "filters", multiple=True, help="An item as in a mapping's 'tags'; may be repeated.")
@click.option(
    "-c", "--config", metavar="FILE", type=click.Path(path_type=Path), envvar="DREGSY_CONFIG",
    help="Config file that has the login and the settings of this registry.",
)  # fmt: skip
@click.option("--skip-tls-verify", is_flag=True, help="Accept any certificate, and plain HTTP.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def tags(repository: str, filters: Sequence[str], config: Path | None, skip_tls_verify: bool, as_json: bool) -> None:
    """List the tags of REPOSITORY (registry/path) that filters select.

    Tags go to standard output, the count after each filter to standard error.
    """
    try:
        TagSet.parse(filters)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--filter") from None
    loaded = load_or_exit(config).config if config else Config()
    secrets.keep_out_of_texts(loaded)
    location, path = _locate(loaded, repository, skip_tls_verify)
    try:
        found = asyncio.run(_look(loaded, location, path, filters))
    except RegistryError as error:
        raise click.ClickException(scrub(str(error))) from None
    if as_json:
        click.echo(json.dumps(_as_dict(repository, found), indent=2, ensure_ascii=False))
        return
    click.echo(str(found), err=True)
    for item in found.selected:
        click.echo(str(item))


def _locate(config: Config, text: str, skip_tls_verify: bool) -> tuple[Location, str]:
    """How the config reaches this registry, as a source rather than as a target, or plainly; and the repository."""
    locations = [task.source for task in config.tasks] + [task.target for task in config.tasks]
    # A registry that a config names may have any name; without one, Docker's rule tells registries from paths.
    named = next((location for location in locations if text.startswith(f"{location.host}/")), None)
    if "/" not in text and "." in text.partition(":")[0]:
        raise click.BadParameter(f"'{text}' names no repository; give registry/path", param_hint="REPOSITORY")
    try:
        reference = Reference.parse_full(text) if named else Reference.parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="REPOSITORY") from None
    if reference.tag or reference.digest:
        raise click.BadParameter(f"'{text}' names one image; give registry/path alone", param_hint="REPOSITORY")
    same = (location for location in locations if registry_key(location.host) == registry_key(reference.registry))
    plain = {"registry": reference.registry, "skip-tls-verify": skip_tls_verify}
    return named or next(same, None) or Location.model_validate(plain), reference.repository


async def _look(config: Config, location: Location, repository: str, filters: Sequence[str]) -> Attrition:
    access = RegistryAccess(config, NoPacing())
    try:
        needed = TagSet.parse(filters).needs_listing
        return attrition(filters, await access.client(location).tags(repository) if needed else [])
    finally:
        await access.aclose()


def _as_dict(repository: str, found: Attrition) -> dict[str, object]:
    return {
        "repository": repository,
        "tags": found.listed,
        "steps": [{"filter": step.filter, "left": step.left} for step in found.steps],
        "selected": [str(item) for item in found.selected],
    }
