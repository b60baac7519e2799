"""`dregsy convert`: another tool's config becomes one of ours."""

from __future__ import annotations

from pathlib import Path

import click
import yaml

from dregsy_queue.config.convert import regsync, skopeo_sync
from dregsy_queue.config.convert.draft import Draft, NotOursError


@click.command(
    epilog="""\b
Examples:
  dregsy convert regsync.yml > dregsy.yaml
  dregsy convert images.yaml --to registry.example.com/mirror > dregsy.yaml
"""
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--to", "destination", default="", metavar="HOST[/PATH]", help="Where images go; for skopeo's YAML.")
@click.option("--scoped", is_flag=True, help="Keep the source's whole name, as skopeo's --scoped; for skopeo's YAML.")
def convert(file: Path, destination: str, scoped: bool) -> None:
    """Convert a config of regsync, or the YAML of `skopeo sync`, and print the result.

    What has no equivalent is reported on standard error. Logins in FILE are part of the output: keep it private.
    """
    try:
        document = yaml.safe_load(file.read_text())
    except OSError as error:
        raise click.ClickException(f"{file}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
        raise click.ClickException(f"{file}: is not YAML") from None
    try:
        draft = _convert(document, destination, scoped)
    except NotOursError as error:
        raise click.ClickException(f"{file}: {error}") from None
    except (AttributeError, TypeError, ValueError):
        raise click.ClickException(
            f"{file}: a value in it has another type than it should, for example text instead of a list"
        ) from None
    for note in draft.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(draft.text(), nl=False)


def _convert(document: object, destination: str, scoped: bool) -> Draft:
    if isinstance(document, dict) and regsync.is_regsync(document):
        return regsync.convert(document)
    if isinstance(document, dict) and skopeo_sync.is_skopeo_sync(document):
        if not destination:
            raise click.UsageError("skopeo's YAML says nothing of the target: give --to HOST[/PATH]")
        return skopeo_sync.convert(document, destination, scoped=scoped)
    raise NotOursError("is neither a config of regsync ('sync:' with a list) nor YAML of skopeo sync ('images:')")
