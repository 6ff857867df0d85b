"""``nself registry`` for those who run one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hookspecs.errors import UserError
from hookspecs.terminal import json_option, print_json, print_table, require_yes, yes_option

from .connecting import FILE, registry

__all__ = ["registry"]

if TYPE_CHECKING:
    from hookspecs import CatalogueEntry, CommandContext

    from .folder import Folder
    from .keyring import KeyRing

_dir_option = click.option(
    "--dir", "folder", metavar="FOLDER", type=click.Path(path_type=Path, file_okay=False), default=Path(),
    help="The registry's folder, by default the working folder.",
)  # fmt: skip
_keys_option = click.option(
    "--keys", metavar="FOLDER", type=click.Path(path_type=Path, file_okay=False),
    help="Where the registry's private keys lie, by default below nself's home.",
)  # fmt: skip
_reason_option = click.option("--reason", required=True, help="Why: users are shown it.")
_version_argument = click.argument("version")


@registry.command(short_help="Make a registry: its keys and its root.")
@click.option("--name", required=True, help="Its name, as its users will see it.")
@click.option("--root-key", "root_keys", metavar="PUBLIC", multiple=True,
              help="Public key of a root key that lives elsewhere (ed25519:… or a .pub file); up to three.")  # fmt: skip
@_dir_option
@_keys_option
@click.pass_obj
def init(context: CommandContext, name: str, root_keys: tuple[str, ...], folder: Path, keys: Path | None) -> None:
    """Make a registry: three root keys, of which any two must sign, and the keys of its roles.

    Keep the root keys apart, on different machines: they are needed once a year and when a key is replaced.

    \b
    Examples:
      nself registry init --name acme
      nself registry init --name acme --root-key alice.pub --root-key bob.pub
    """
    from .folder import Folder
    from .keyring import KeyRing
    from .making import init as make

    folder.mkdir(parents=True, exist_ok=True)
    here = Folder(folder)
    ring = KeyRing(keys or _default_keys(context, name))
    missing = make(here, ring, name, root_keys)
    click.echo(f"registry {name} is made in {folder.absolute()}; its private keys are in {ring.folder}")
    _tell_missing(here, "root", missing)
    click.echo("next: move root-*.pem to safe places; nself registry add PLUGIN", err=True)


@registry.command(short_help="List plugins in the registry.")
@click.argument("plugins", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--report", "reports", metavar="FILE", multiple=True, type=FILE,
              help="Reports of `nself plugin check --json`: the level counts for the very files they were made of.")  # fmt: skip
@_dir_option
@json_option
@click.pass_obj
def add(context: CommandContext, plugins: tuple[Path, ...], reports: tuple[Path, ...], folder: Path, as_json: bool) -> None:
    """List plugins in the registry: wheels that their publishers signed, or source folders of yours.

    A release is never changed: another content needs another version. `publish` makes it visible.

    \b
    Examples:
      nself registry add ./nself-plugin-hello
      nself registry add dist/nself_plugin_hello-1.0.0-py3-none-any.whl --report hello-level.json
    """
    from .folder import Folder
    from .making import add as put

    found = put(Folder(folder), context.plugins, plugins, _levels(reports))
    if as_json:
        print_json([_document(entry, "") for entry in found])
        return
    for entry in found:
        level = f"level {entry.level}" if entry.level else "no level: no --report of `plugin check --json` is of these files"
        click.echo(f"{entry.publisher}/{entry.name} {entry.version}, {level}")
    click.echo("next: nself registry publish FOLDER", err=True)


@registry.command(short_help="Add a publisher, or change its key.")
@click.argument("name")
@click.option(
    "--key", "key", metavar="PUBLIC", help="Its public key: ed25519:… or a .pub file; by default the one of your own home."
)
@click.option(
    "--vouched", is_flag=True, help="List its wheels under the registry's keys: it need not sign the registry's metadata."
)
@_dir_option
@click.pass_obj
def publisher(context: CommandContext, name: str, key: str | None, vouched: bool, folder: Path) -> None:
    """Add a publisher, or change its key. Its plugins must be signed with that key in any case.

    By default a publisher also signs which files are its own, so that nobody who runs the registry can list another in
    its name. With --vouched the registry does that.

    \b
    Examples:
      nself registry publisher alice --key alice.pub
      nself registry publisher bob --key ed25519:… --vouched
    """
    from .folder import Folder
    from .making import set_publisher

    given = key or context.plugins.own_keys().get(name)
    if given is None:
        raise UserError(f"there is no key of {name} in this home", remedy="--key PUBLIC", exit_code=2)
    set_publisher(Folder(folder), name, given, vouched=vouched)
    click.echo(f"publisher {name} is listed{', vouched for by the registry' if vouched else ''}")


@registry.command(short_help="Add one signature to what waits for it.")
@click.argument("role", required=False)
@click.option("--key", "key_file", metavar="FILE", type=FILE, help="A private key.")
@_dir_option
def sign(role: str | None, key_file: Path | None, folder: Path) -> None:
    """Add one signature to metadata that waits for it; without a role say what waits.

    So the keys of a root, or of a publisher, need never be on one machine: hand the registry's folder round.

    \b
    Examples:
      nself registry sign
      nself registry sign root --key /media/stick/root-2.pem
    """
    from .folder import Folder
    from .rotating import sign as put

    here = Folder(folder)
    if role is None:
        waiting = here.staged_roles()
        click.echo("\n".join(waiting) if waiting else "nothing waits for a signature")
        return
    if key_file is None:
        raise UserError("say with which key", remedy="--key FILE", exit_code=2)
    missing = put(here, role, key_file)
    click.echo(f"{role} is signed")
    _tell_missing(here, role, missing)


@registry.command(short_help="Sign what changed and write the static files.")
@click.argument("into", metavar="FOLDER", type=click.Path(path_type=Path, file_okay=False))
@click.option("--key", "key_files", metavar="FILE", multiple=True, type=FILE,
              help="A private key from elsewhere.")  # fmt: skip
@_dir_option
@_keys_option
@json_option
@click.pass_obj
def publish(
    context: CommandContext, into: Path, key_files: tuple[Path, ...], folder: Path, keys: Path | None, as_json: bool
) -> None:
    """Sign what changed or grows old, and write the registry as static files into FOLDER.

    Run it at least daily, from a timer too: the timestamp holds for a day. It needs the keys of snapshot, timestamp and
    catalogue; that of targets when publishers change; those of the root once a year.

    \b
    Examples:
      nself registry publish public
      nself registry publish public --key /media/stick/targets.pem
    """
    from .folder import Folder
    from .publishing import publish as put

    here = Folder(folder)
    done = put(here, _ring(context, here, keys, key_files), into)
    if as_json:
        print_json({"roles": done.roles, "waiting": done.waiting, "ageing": done.ageing, "files": done.files})
        return
    click.echo(f"published in {into}: {done.files} files written, {len(done.roles)} roles signed")
    for role, missing in done.waiting.items():
        _tell_missing(here, role, missing)
    for role, when in done.ageing.items():
        click.echo(f"{role} expires on {when:%Y-%m-%d}, and its key is not here: nself registry sign {role} --key FILE", err=True)
    click.echo(f"next: serve {into} with any web server; users connect with {into}/root.json", err=True)


@registry.command(short_help="Serve a published registry over HTTP.")
@click.argument("tree", metavar="FOLDER", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8470, show_default=True, help="Port; 0 takes a free one.")
@click.option("--log", is_flag=True, help="Write a line for each request.")
def serve(tree: Path, host: str, port: int, log: bool) -> None:
    """Serve a published registry over HTTP until interrupted: files alone, to this machine alone unless --host says so.

    Any web server or object store serves it as well; the signatures make HTTPS a matter of privacy, not of safety.

    \b
    Examples:
      nself registry serve public
    """
    from .serving import Server

    try:
        server = Server(tree, host, port, quiet=not log)
    except OSError as error:
        raise UserError(f"cannot listen on {host} port {port}: {error.strerror}", remedy="--port 0 takes a free one") from None
    with server:
        click.echo(f"serving {tree} at {server.url}")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo("stopped", err=True)


@registry.command(short_help="Verify a published registry as a whole.")
@click.argument("tree", metavar="FOLDER", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--root", "root_file", metavar="FILE", type=FILE,
              help="A root.json that is trusted, in place of the tree's first.")  # fmt: skip
@json_option
def verify(tree: Path, root_file: Path | None, as_json: bool) -> None:
    """Verify a published registry as a whole: every signature, every file, every entry of the catalogue.

    \b
    Examples:
      nself registry verify public
    """
    from .verifying import verify as look

    found = look(tree, root_file.read_bytes() if root_file else None)
    if as_json:
        print_json({**vars(found)})
    else:
        click.echo(f"{found.roots} roots, {found.roles} roles, {found.targets} files, {found.releases} releases")
        if found.expires:
            role, when = min(found.expires.items(), key=lambda one: one[1])
            click.echo(f"first to expire: {role}, {when:%Y-%m-%d %H:%M UTC}")
        for fault in found.faults:
            click.echo(f"fault: {fault}", err=True)
    if found.faults:
        raise click.exceptions.Exit(1)


@registry.command(short_help="List the plugins and publishers of the registry.")
@_dir_option
@json_option
def show(folder: Path, as_json: bool) -> None:
    """List the plugins and publishers of the registry in this folder, published or not yet.

    \b
    Examples:
      nself registry show --json
    """
    from .folder import Folder

    here = Folder(folder)
    record = here.record
    revoked = {(one.publisher, one.name, one.version): one.reason for one in record.revoked_versions}
    rows = [_document(e, revoked.get((e.publisher, e.name, e.version), "")) for e in here.entries()]
    if as_json:
        publishers = {name: one.model_dump() for name, one in record.publishers.items()}
        print_json({"name": record.name, "publishers": publishers, "releases": rows})
        return
    table = [(f"{r['publisher']}/{r['name']}", r["version"], r["tier"], r["level"], r["state"], r["summary"]) for r in rows]
    print_table(("plugin", "version", "tier", "level", "state", "summary"), table)
    unlisted = sorted(set(record.publishers) - {str(row["publisher"]) for row in rows})
    if unlisted:
        click.echo(f"publishers without plugins: {', '.join(unlisted)}")


@registry.command(short_help="Replace a key of a role or a publisher.")
@click.argument("role")
@click.option("--new-key", metavar="PUBLIC", default="", help="The new key's public half, where it lives elsewhere.")
@click.option("--replace", "replaced", metavar="NAME", default="", help="Which of several keys goes: root-2.")
@click.option("--key", "key_files", metavar="FILE", multiple=True, type=FILE,
              help="A root key from elsewhere, to sign the change with.")  # fmt: skip
@_dir_option
@_keys_option
@click.pass_obj
def rotate_key(
    context: CommandContext, role: str, new_key: str, replaced: str, key_files: tuple[Path, ...], folder: Path, keys: Path | None
) -> None:
    """Replace the key of a role (root, targets, snapshot, timestamp, catalogue) or of a publisher.

    Keys that root names need two root keys' signatures, and a root key those of the old and of the new root. Clients follow by
    themselves. `publish` puts it in force.

    \b
    Examples:
      nself registry rotate-key timestamp
      nself registry rotate-key root --replace root-2
      nself registry rotate-key alice --new-key alice-2027.pub
    """
    from .folder import Folder
    from .rotating import rotate

    here = Folder(folder)
    missing = rotate(here, _ring(context, here, keys, key_files), role, new=new_key, replaced=replaced)
    click.echo(f"the key of {role} is replaced")
    _tell_missing(here, "root", missing)
    click.echo("next: nself registry publish FOLDER", err=True)


@registry.command(short_help="Let nobody install a release anew.")
@click.argument("name")
@_version_argument
@click.option("--reason", default="", help="Why: users are shown it.")
@click.option("--undo", is_flag=True, help="Take it back.")
@_dir_option
def yank(name: str, version: str, reason: str, undo: bool, folder: Path) -> None:
    """Let nobody install a release anew, but for those who ask for that very version. Whoever has it keeps it.

    \b
    Examples:
      nself registry yank hello 1.0.1 --reason "loses settings; take 1.0.2"
    """
    from .folder import Folder
    from .making import yank as put

    if bool(reason) == undo:
        raise UserError("say why", remedy="--reason TEXT (or --undo)", exit_code=2)
    entry = put(Folder(folder), name, version, reason)
    click.echo(f"{entry.publisher}/{entry.name} {version} is {'offered again' if undo else 'yanked'}")
    click.echo("next: nself registry publish FOLDER", err=True)


@registry.command(short_help="Let a release, or all of a publisher, never load again.")
@click.argument("name")
@click.argument("version", required=False)
@click.option("--publisher", "whole", is_flag=True, help="NAME is a publisher: its key counts no more.")
@_reason_option
@yes_option
@_dir_option
def revoke(name: str, version: str | None, whole: bool, reason: str, yes: bool, folder: Path) -> None:
    """Let a release never load again, anywhere; or, with --publisher, nothing that the publisher's key signed.

    Clients remember it: this cannot be taken back. For a release that is merely bad there is `yank`.

    \b
    Examples:
      nself registry revoke hello 1.0.1 --reason "sends secrets away"
      nself registry revoke alice --publisher --reason "key stolen"
    """
    from .folder import Folder
    from .making import revoke_publisher, revoke_version

    if whole == (version is not None):
        raise UserError("give a plugin and its version, or a publisher with --publisher", exit_code=2)
    what = f"everything that {name} signed" if whole else f"{name} {version}"
    require_yes(f"Revoke {what}, for good?", yes=yes)
    here = Folder(folder)
    gone = revoke_publisher(here, name, reason) if whole else [revoke_version(here, name, str(version), reason)]
    for entry in gone:
        click.echo(f"{entry.publisher}/{entry.name} {entry.version} is revoked")
    if whole:
        click.echo(f"the key of {name} is revoked")
    click.echo("next: nself registry publish FOLDER", err=True)


def _default_keys(context: CommandContext, name: str) -> Path:
    return context.plugins.home / "registry-keys" / name


def _ring(context: CommandContext, folder: Folder, keys: Path | None, files: tuple[Path, ...]) -> KeyRing:
    """The registry's keys, and those of publishers whose keys this home holds."""
    from .keyring import KeyRing

    tools, record = context.plugins, folder.record
    own = [tools.private_key(name) for name in tools.own_keys() if name in record.publishers]
    return KeyRing(keys or _default_keys(context, record.name), (*files, *own))


def _tell_missing(folder: Folder, role: str, missing: list[str]) -> None:
    if missing:
        labels = folder.record.labels
        names = " or ".join(labels.get(keyid, keyid[:12]) for keyid in missing)
        click.echo(f"{role} waits for a signature by {names}: nself registry sign {role} --key FILE", err=True)


def _levels(reports: tuple[Path, ...]) -> dict[str, int]:
    """Hash of a plugin's files → level, from the reports of ``nself plugin check``."""
    found: dict[str, int] = {}
    for place in reports:
        try:
            content = json.loads(place.read_bytes())
            rows: list[Any] = content if isinstance(content, list) else list(content.get("plugins", {"": content}).values())
            found |= {str(row["hash"]): int(row["level"]) for row in rows}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"this is no report of `nself plugin check --json`: {error!r}", where=str(place)) from None
    return found


def _document(entry: CatalogueEntry, revoked: str) -> dict[str, Any]:
    manifest = entry.manifest
    return {
        "publisher": entry.publisher,
        "name": entry.name,
        "version": entry.version,
        "tier": manifest.get("tier", "free"),
        "bundles": list(manifest.get("bundles", ())),
        "level": entry.level,
        "state": "revoked" if revoked else "yanked" if entry.yanked else "offered",
        "reason": revoked or entry.yanked,
        "summary": manifest["summary"],
        "file": entry.file,
        "sha256": entry.sha256,
    }
