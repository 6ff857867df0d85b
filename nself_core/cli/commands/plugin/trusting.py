"""``nself plugin trust``: whose signatures count on this machine."""

from __future__ import annotations

import click

from nself_core import paths
from nself_core.cli.options import json_option
from nself_core.cli.output import next_step, print_json, print_table, say

_EXAMPLES = "\b\nExamples:\n  nself plugin trust add acme ed25519:…\n  nself plugin trust list"


@click.group(short_help="Say whose signatures count on this machine.", epilog=_EXAMPLES)
def trust() -> None:
    """Say whose signatures count on this machine. nself's own keys come with the program.

    A publisher's key counts for plugins of that publisher and no others.
    """


@trust.command(epilog="\b\nExamples:\n  nself plugin trust add acme ed25519:MCowBQYDK2VwAyEA…")
@click.argument("publisher")
@click.argument("key")
@click.option("--also", is_flag=True, help="Keep the keys already trusted: the publisher has several.")
def add(publisher: str, key: str, also: bool) -> None:
    """Trust a publisher by the public key that it publishes."""
    from nself_core.plugins.keys import parse_public
    from nself_core.plugins.publishers import Publishers
    from nself_core.plugins.signing import key_id

    public = parse_public(key)
    Publishers(paths.home()).add(publisher, public, also=also)
    say(f"plugins of {publisher} signed with the key {key_id(public)} are trusted on this machine")
    next_step(f"nself plugin install {publisher}/NAME")


@trust.command("list", epilog="\b\nExamples:\n  nself plugin trust list --json")
@json_option
def list_(as_json: bool) -> None:
    """List the publishers whose signatures count, with their keys; this home's own keys too."""
    from nself_core.plugins.keys import public_text
    from nself_core.plugins.publishers import Publishers

    publishers = Publishers(paths.home())
    rows = [
        {"publisher": name, "id": key, "key": public_text(public), "kind": kind}
        for kind, known in (("trusted", publishers.trusted), ("own", publishers.own))
        for name, keys in sorted(known.items())
        for key, public in sorted(keys.items())
    ]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(("publisher", "kind", "id", "key"), [(r["publisher"], r["kind"], r["id"], r["key"]) for r in rows])
    else:
        say("no publisher is trusted yet")


@trust.command(epilog="\b\nExamples:\n  nself plugin trust remove acme")
@click.argument("publisher")
def remove(publisher: str) -> None:
    """Trust a publisher no longer. Its plugins that are installed are not loaded from then on."""
    from hookspecs.errors import UserError
    from nself_core.plugins.publishers import Publishers

    if not Publishers(paths.home()).remove(publisher):
        raise UserError(f"{publisher} is not among those you trust", remedy="nself plugin trust list", code="publisher-unknown")
    say(f"{publisher} is no longer trusted on this machine")
