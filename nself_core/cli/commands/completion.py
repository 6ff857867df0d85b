"""``nself completion``: the script a shell loads to complete our commands."""

from __future__ import annotations

import click

from nself_core.cli.output import say, tell

#: Where each shell looks for the script.
_ADVICE = {
    "bash": "nself completion bash > ~/.local/share/bash-completion/completions/nself",
    "zsh": "nself completion zsh > ~/.zfunc/_nself   (with `fpath+=~/.zfunc` before compinit)",
    "fish": "nself completion fish > ~/.config/fish/completions/nself.fish",
}


@click.command(
    epilog="\b\nExamples:\n  " + "\n  ".join(_ADVICE.values()) + '\n  eval "$(nself completion bash)"      for this shell alone'
)
@click.argument("shell", type=click.Choice(list(_ADVICE)))
def command(shell: str) -> None:
    """Print the completion script of a shell."""
    from click.shell_completion import get_completion_class

    from nself_core.cli.output import colour_wanted
    from nself_core.cli.root import root

    maker = get_completion_class(shell)
    if maker is None:
        raise click.UsageError(f"there is no completion for {shell}")
    script = maker(root, {}, "nself", "_NSELF_COMPLETE")
    # Not `script.source()`: for bash that starts a bash only to ask its version.
    say(script.source_template % script.source_vars())
    if colour_wanted():  # a person looks at it: say where it belongs
        tell(f"keep it: {_ADVICE[shell]}")
