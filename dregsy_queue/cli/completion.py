"""`dregsy completion`: what makes a shell complete commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command(
    epilog="""\b
Put it where your shell reads it at start-up:
  bash   dregsy completion bash >> ~/.bashrc
  zsh    dregsy completion zsh >> ~/.zshrc
  fish   dregsy completion fish > ~/.config/fish/completions/dregsy.fish
"""
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for a shell."""
    root = click.get_current_context().find_root().command
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(root, {}, "dregsy", "_DREGSY_COMPLETE").source())
