"""`dregsy init`: a config to start from."""

from __future__ import annotations

from pathlib import Path

import click

_STARTER = """\
# What dregsy syncs, from where to where. Every key: docs/configuration.md
# Check it with: dregsy validate FILE, dregsy check FILE; see what it would do with: dregsy plan FILE

# What copies the images: direct (registry to registry, nothing else needed), skopeo (a program on this machine) or
# docker (a Docker daemon).
relay: direct

# Limits that all workers keep together, by registry.
# registries:
#   docker.io:
#     max-concurrent: 4      # transfers at once
#     transfers: 100/6h      # transfers started in any six hours
#     reserve: 10            # hold back when the registry says that fewer pulls are left

tasks:
  - name: example
    # Seconds between two runs, at least 30; without it the task runs once.
    # interval: 3600

    source:
      registry: docker.io
      # Who signs in: base64 of {"username": "…", "password": "…"}. Without it the logins of this
      # machine are used, as of `skopeo login` and `docker login`; `auth: none` signs in as nobody.
      # auth: eyJ1c2VybmFtZSI6IC4uLn0=

    target:
      registry: 127.0.0.1:5000
      # Plain HTTP, or a certificate that nobody knows:
      skip-tls-verify: true

    mappings:
      - from: library/busybox
        to: mirror/busybox
        # Without tags all of them are synced. Try a list with: dregsy tags docker.io/library/busybox --filter …
        tags:
          - latest
          - 'semver: >=1.36.0'
          - 'keep: latest 5'
        # One platform (os/arch), or all of them; without it the one of the machine that syncs.
        # platform: all
"""


@click.command(
    epilog="""\b
Examples:
  dregsy init
  dregsy init mirror.yaml
"""
)
@click.argument("file", default="dregsy.yaml", type=click.Path(path_type=Path))
def init(file: Path) -> None:
    """Write a commented starter config to FILE (default: dregsy.yaml; '-' is the output). An existing file is never
    overwritten."""
    if file == Path("-"):
        click.echo(_STARTER, nl=False)
        return
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(_STARTER)
    except FileExistsError:
        raise click.ClickException(f"{file} is there already; nothing was written") from None
    except OSError as error:
        raise click.ClickException(f"{file}: cannot be written: {error.strerror}") from None
    click.echo(f"{file} is written; edit it, then: dregsy check {file}")
