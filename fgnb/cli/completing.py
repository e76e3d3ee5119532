"""Completion in shells: the script for a shell, and what workflows, profiles and sweeps there are to complete."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem, get_completion_class

from fgnb import profiles


@click.command(short_help="Print what makes a shell complete fgnb's commands.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that makes SHELL complete commands, options, workflows, profiles and files.

    Workflows are those of the embedded service: no other one is asked.

    \b
    eval "$(fgnb completion bash)"                            # in ~/.bashrc
    eval "$(fgnb completion zsh)"                             # in ~/.zshrc
    fgnb completion fish > ~/.config/fish/completions/fgnb.fish
    """  # noqa: D301  # \b is click's mark for lines that stay as they are
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101  # click.Choice has looked
    click.echo(kind(ctx.find_root().command, {}, "fgnb", "_FGNB_COMPLETE").source())


def workflows(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a workflow that the embedded service ships."""
    from fgnb.local.samples import sample_definitions

    found = [(str(each["name"]), str(each.get("description", "")).replace("-", " ")) for each in sample_definitions()]
    return [CompletionItem(name, help=help) for name, help in found if name.startswith(incomplete)]


def profile_names(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a profile of ``fgnb.toml``."""
    return [CompletionItem(name) for name in profiles.names() if name.startswith(incomplete)]
