"""`dregsy convert`: another tool's config becomes one of ours."""

from __future__ import annotations

from pathlib import Path

import click

from dregsy_queue.config.convert import regsync, skopeo_sync
from dregsy_queue.config.convert.draft import Draft
from dregsy_queue.config.convert.given import Given
from dregsy_queue.config.load import ConfigError, loads
from dregsy_queue.config.yaml_lines import SyntaxProblem
from dregsy_queue.oci.reference import is_repository, parts_of


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
        given = Given.parse(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise click.ClickException(f"{file}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise click.ClickException(f"{file}: is not UTF-8 text") from None
    except SyntaxProblem as error:
        raise click.ClickException(f"{file}:{error.line}: {error}") from None
    draft = _convert(given, file, destination, scoped)
    problems = given.problems(file)
    for problem in problems:
        click.echo(problem, err=True)
    if problems:
        raise click.ClickException(f"{file} is not converted: {len(problems)} error{'s' if len(problems) != 1 else ''}")
    text = draft.text()
    for note in (*draft.notes, *_left_to_do(text)):
        click.echo(f"note: {note}", err=True)
    click.echo(text, nl=False)


def _convert(given: Given, file: Path, destination: str, scoped: bool) -> Draft:
    if regsync.is_regsync(given):
        return regsync.convert(given)
    if skopeo_sync.is_skopeo_sync(given):
        if not destination:
            raise click.UsageError("skopeo's YAML says nothing of the target: give --to HOST[/PATH]")
        host, path, tag, digest = parts_of(destination)
        if not host or tag or digest or "://" in destination or (path and not is_repository(path)):
            raise click.UsageError(f"--to '{destination}' is not HOST[/PATH], as registry.example.com/mirror")
        return skopeo_sync.convert(given, destination, scoped=scoped)
    raise click.ClickException(
        f"{file}: is neither a config of regsync ('sync:' with a list) nor YAML of skopeo sync ('images:')"
    )


def _left_to_do(text: str) -> list[str]:
    """Why the result cannot be used as it is, or not as its user may expect."""
    try:
        loaded = loads(text, Path("result"))
    except ConfigError as error:
        return [f"mend this in the result: {problem}" for problem in error.problems]
    return loaded.warnings if loaded.config.tasks else ["nothing in it became a task"]
