"""``nself plugin keygen``, ``sign`` and ``schema``: for those who write plugins."""

from __future__ import annotations

from pathlib import Path

import click

from nself_core import paths
from nself_core.cli.commands.plugin.common import as_folder
from nself_core.cli.options import json_option
from nself_core.cli.output import next_step, print_json, say


@click.command(epilog="\b\nExamples:\n  nself plugin keygen acme")
@click.argument("publisher")
@json_option
def keygen(publisher: str, as_json: bool) -> None:
    """Make the key a publisher signs with. The private half stays in nself's home, for you alone; back it up.

    Pass the public half on: whoever installs your plugins trusts it once.
    """
    from nself_core.plugins.keys import keygen as make
    from nself_core.plugins.keys import public_text

    key = make(paths.home(), publisher)
    place = paths.home() / "keys" / f"{publisher}.pem"
    if as_json:
        print_json({"publisher": publisher, "id": key.id, "key": public_text(key.public), "private": str(place)})
        return
    say(f"private key: {place} (keep it secret, and a copy of it somewhere safe)")
    say(f"public key:  {public_text(key.public)}")
    next_step(f"nself plugin sign FOLDER; others run: nself plugin trust add {publisher} {public_text(key.public)}")


@click.command(epilog="\b\nExamples:\n  nself plugin sign ./my-plugin\n  nself plugin sign ./my-plugin --shared-secret")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--shared-secret", "shared", is_flag=True, help="Sign with the secret your team shares (HMAC-SHA256).")
@json_option
def sign(folder: Path, shared: bool, as_json: bool) -> None:
    """Sign a plugin's folder with its publisher's key: writes signature.json beside plugin.json.

    Sign last, then build the wheel: every file is covered, and any change after it breaks the signature.
    """
    from hookspecs.errors import UserError
    from nself_core.plugins import keys, signing
    from nself_core.plugins.manifest import MANIFEST, ManifestError, check_whole, read
    from nself_core.plugins.sources.local import package_folder

    package = package_folder(folder)
    try:
        manifest = read(str(package / MANIFEST))
        check_whole(manifest)
        publisher = str(manifest.get("publisher", ""))
        if not publisher:
            raise ManifestError(f'{MANIFEST} names no publisher; add "publisher": "NAME"')
        key = keys.shared_key(paths.home(), publisher) if shared else keys.load_key(paths.home(), publisher)
        signing.sign(package, key)
    except (ManifestError, signing.SignatureError) as error:
        raise UserError(str(error), where=str(package), code="plugin-sign") from None
    made = signing.read_signature(package)
    count = len(made.files) if made else 0
    if as_json:
        print_json({"folder": str(package), "publisher": publisher, "key": key.id, "scheme": key.scheme, "files": count})
        return
    say(f"{publisher}/{manifest['name']} {manifest['version']}: {count} files signed with the key {key.id}")
    next_step(
        f"pip wheel --no-deps {as_folder(folder)}, then nself plugin install ./…whl; or nself registry add {as_folder(folder)}"
    )


@click.command(epilog="\b\nExamples:\n  nself plugin schema > plugin.schema.json")
def schema() -> None:
    """Print the JSON schema of plugin.json, for editors."""
    from hookspecs import Manifest

    print_json({"$schema": "https://json-schema.org/draft/2020-12/schema", **Manifest.model_json_schema()})
