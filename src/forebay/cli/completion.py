"""`completion`: what a shell needs to complete our commands and options."""

import os
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from forebay.cli.shared import Command
from forebay.model.errors import ConfigError

SHELLS = ("bash", "zsh", "fish")
#: The variable by which the script asks us for completions; its form is click's.
_VARIABLE = "_FOREBAY_COMPLETE"


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(SHELLS), required=False)
def completion(shell: str | None) -> None:
    """Print the completion script of a shell ($SHELL unless given).

    bash: forebay completion bash > ~/.local/share/bash-completion/completions/forebay;
    zsh: forebay completion zsh > a file _forebay in your $fpath;
    fish: forebay completion fish > ~/.config/fish/completions/forebay.fish.
    """
    name = shell or Path(os.environ.get("SHELL", "")).name
    kind = get_completion_class(name) if name in SHELLS else None
    if kind is None:
        raise ConfigError(f"no completion for shell {name!r}: name one of {', '.join(SHELLS)}")
    root = click.get_current_context().find_root().command
    click.echo(kind(root, {}, "forebay", _VARIABLE).source())
