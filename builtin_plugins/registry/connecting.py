"""``nself registry`` for its users: which registries plugins come from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hookspecs.errors import UserError
from hookspecs.terminal import json_option, print_json, print_table

if TYPE_CHECKING:
    from hookspecs import CommandContext

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.group(short_help="Connect to registries of plugins; make, sign, publish and serve one.")
def registry() -> None:
    """Connect to registries of plugins; make, sign, publish and serve one.

    A registry is a folder of static files under The Update Framework: whoever serves it can neither change a plugin, nor
    hold back news, nor roll it back unnoticed. nself comes with one of its own, which needs no network.

    \b
    Examples:
      nself registry connect acme https://plugins.acme.example --root acme-root.json
      nself registry init --name acme
      nself registry add ./nself-plugin-hello
      nself registry publish public
    """


@registry.command(short_help="Install plugins from another registry too.")
@click.argument("name")
@click.argument("url")
@click.option("--root", "root_file", metavar="FILE", type=FILE,
              help="The registry's root.json, which its operator gave you.")  # fmt: skip
@click.option("--fingerprint", metavar="SHA256", help="Fetch root.json from the registry, and take it if it has this SHA-256.")
@click.pass_obj
def connect(context: CommandContext, name: str, url: str, root_file: Path | None, fingerprint: str | None) -> None:
    """Install plugins from another registry too. URL is a web address, or a folder that holds a copy of the registry.

    Everything it ever says is checked against its root.json, so take that from its operator by another way than the registry
    itself, or compare the fingerprint. A publisher's plugins load only once you trust the publisher, too.

    \b
    Examples:
      nself registry connect acme https://plugins.acme.example --root acme-root.json
      nself registry connect acme https://plugins.acme.example --fingerprint 5f0c…
    """
    if (root_file is None) == (fingerprint is None):
        raise UserError("give the registry's root metadata", remedy="--root FILE, or --fingerprint SHA256", exit_code=2)
    if root_file is not None:
        root = root_file.read_bytes()
    else:
        from .fetching import fetch_root

        root = fetch_root(url, str(fingerprint))
    context.plugins.connect(name, url, root)
    click.echo(f"registry {name} is connected: {url}")
    click.echo("next: nself plugin search", err=True)


@registry.command(short_help="Install plugins from a registry no longer.")
@click.argument("name")
@click.pass_obj
def disconnect(context: CommandContext, name: str) -> None:
    """Install plugins from a registry no longer. What was installed from it stays, what it revoked stays revoked.

    \b
    Examples:
      nself registry disconnect acme
    """
    context.plugins.disconnect(name)
    click.echo(f"registry {name} is disconnected")


@registry.command("list", short_help="List the registries that plugins come from.")
@json_option
@click.pass_obj
def list_(context: CommandContext, as_json: bool) -> None:
    """List the registries that plugins come from, beside the one that nself comes with.

    \b
    Examples:
      nself registry list --json
    """
    found = context.plugins.registries()
    if as_json:
        print_json([one.model_dump() for one in found])
        return
    rows = [("embedded", "comes with nself", "-"), *((one.name, one.url, one.fingerprint[:16]) for one in found)]
    print_table(("name", "address", "root"), rows)


@registry.command(short_help="Fetch and verify the newest state of registries.")
@click.argument("name", required=False)
@click.pass_obj
def refresh(context: CommandContext, name: str | None) -> None:
    """Fetch and verify the newest state of one registry, or of all: also what they revoked.

    \b
    Examples:
      nself registry refresh
    """
    names = [name] if name else [one.name for one in context.plugins.registries()]
    for one in names:
        fresh = context.plugins.refresh(one)
        click.echo(f"{one}: {'up to date' if fresh else 'not reached; what is kept of it holds still'}")
    if not names:
        click.echo("no registry is connected beside the one that nself comes with")
