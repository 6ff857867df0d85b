"""``nself init``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nself_core.cli import output

if TYPE_CHECKING:
    from nself_core.plugins import PluginManager
    from nself_core.settings import Declarations
    from nself_core.settings.scaffold import Wish


@click.command(short_help="Make a project here: settings, secrets and a first .env.dev.")
@click.option("--name", help="Name of the project; the folder's name where not given.")
@click.option("--domain", help="Root domain; localhost where not given.")
@click.option("--demo", is_flag=True, help="A project that shows everything: all services, four of your own, two frontends.")
@click.option("--wizard", is_flag=True, help="Ask, even with other options given.")
@click.option("--yes", "-y", "--non-interactive", "yes", is_flag=True, help="Ask nothing; take defaults for what is not given.")
@click.option("--set", "more", multiple=True, metavar="NAME=VALUE", help="One more setting for .env.dev; may be repeated.")
@click.option("--force", is_flag=True, help="Replace the settings of a project that is here; a copy of the old ones is kept.")
@click.option("--quiet", "-q", is_flag=True, help="Say nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the files made as JSON.")
def command(
    *,
    name: str | None,
    domain: str | None,
    demo: bool,
    wizard: bool,
    yes: bool,
    more: tuple[str, ...],
    force: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Make a project in this folder.

    Shared settings go to .env.dev, secrets (made now) to .environments/dev/.env.secrets, this machine's own to .env; what
    can be set is listed in .env.example. On a terminal, questions are asked for what is not given. It is all or nothing:
    a run that fails or is interrupted leaves the folder as it was.

    \b
    Examples:
      nself init
      nself init --demo
      nself init --name shop --domain shop.example.com --yes
    """
    from nself_core import paths
    from nself_core.plugins import PluginManager
    from nself_core.settings import Declarations, scaffold

    root = Path.cwd()
    gone = scaffold.take_back(root)
    if gone:
        output.tell(f"note: an earlier nself init was interrupted; what it had made is removed: {', '.join(gone)}")
    scaffold.require_free(root, force=force)
    plugins = PluginManager.open(paths.home(), root)
    declarations = Declarations.of(plugins.manifests())
    given = dict(_pair(pair, declarations) for pair in more)
    wish = _wish(root, name, domain, demo=demo, settings=given)
    asks = wizard or (sys.stdin.isatty() and not (yes or demo or name or domain or more))
    if asks and not yes:
        _ask(wish, plugins, declarations)
    _check(wish, declarations)
    made, kept = _write(root, wish, declarations, force=force)
    if as_json:
        output.print_json({"name": wish.name, "domain": wish.domain, "files": made, "kept": kept})
    elif not quiet:
        _tell(wish, made, kept)


def _pair(text: str, declarations: Declarations) -> tuple[str, str]:
    from nself_core.settings.unknown import nearest

    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"--set {text!r} is not of the form NAME=VALUE")
    found = declarations.find(name)
    if found is None:
        near = nearest(name, declarations)
        raise click.UsageError(f"--set {name}: not known" + (f"; did you mean {near}?" if near else ""))
    if found.secret:
        raise click.UsageError(f"--set {name} is a secret; set it afterwards with nself config set {name}")
    return name, value


def _wish(root: Path, name: str | None, domain: str | None, *, demo: bool, settings: dict[str, str]) -> Wish:
    from nself_core.settings.naming import project_name_from
    from nself_core.settings.scaffold import Wish

    wanted = name or ("demo-app" if demo else root.name)
    clean = project_name_from(wanted)
    if name and clean != name:
        output.tell(f"note: the project is named {clean}: lower-case letters, digits, - and _ are what {name!r} becomes")
    return Wish(clean, domain or "localhost", settings, demo)


def _ask(wish: Wish, plugins: PluginManager, declarations: Declarations) -> None:
    from nself_core.settings.naming import project_name_from
    from nself_core.settings.scaffold import switches

    output.tell("A few questions; Enter takes what stands in brackets, Ctrl-C leaves the folder as it is.")
    wish.name = project_name_from(click.prompt("Name of the project", default=wish.name, err=True))
    wish.domain = _prompt("BASE_DOMAIN", "Root domain", wish.domain, declarations)
    if wish.demo:
        return
    output.tell("\nOptional services:")
    for switch, text in switches(plugins.manifests()):
        if click.confirm(f"  {switch.removesuffix('_ENABLED').lower()} ({text.rstrip('.')})", default=False, err=True):
            wish.settings[switch] = "true"
    if declarations.find("CS_1"):
        output.tell("\nServices of your own, each as name:template[:port][:route], such as api:fastapi::api; Enter ends.")
        _lines(wish, "CS_{}")
    if declarations.find("FRONTEND_APP_1_NAME"):
        output.tell("\nFrontends, each by its name; Enter ends.")
        _lines(wish, "FRONTEND_APP_{}_NAME")
    output.tell("\nThis will stand in .env.dev:")
    for name, value in {"PROJECT_NAME": wish.name, "BASE_DOMAIN": wish.domain, **wish.settings}.items():
        output.tell(f"  {name}={value}")
    click.confirm("Write it?", default=True, abort=True, err=True)


def _prompt(name: str, text: str, default: str, declarations: Declarations) -> str:
    from nself_core.settings.coerce import InvalidError, coerce

    declared = declarations.find(name)
    while True:
        answer = str(click.prompt(text, default=default, err=True)).strip()
        try:
            return str(coerce(declared, answer)) if declared else answer
        except InvalidError as error:
            output.tell(f"  {error}. {error.remedy}".rstrip())


def _lines(wish: Wish, pattern: str) -> None:
    number = 1
    while answer := str(click.prompt(f"  {number}", default="", show_default=False, err=True)).strip():
        wish.settings[pattern.format(number)] = answer
        number += 1


def _check(wish: Wish, declarations: Declarations) -> None:
    """Refuse what no build would take, before anything is written."""
    from hookspecs.errors import UserError
    from nself_core.settings.coerce import InvalidError, coerce

    for name, value in {"BASE_DOMAIN": wish.domain, **wish.settings}.items():
        declared = declarations.find(name)
        try:
            typed = coerce(declared, value) if declared else value
        except InvalidError as error:
            raise UserError(f"{name}: {error}", remedy=error.remedy, code="setting-invalid", exit_code=2) from None
        if name == "BASE_DOMAIN":
            wish.domain = str(typed)


def _write(root: Path, wish: Wish, declarations: Declarations, *, force: bool) -> tuple[list[str], str]:
    """Write the project; returns the files made and where the old ones are kept."""
    from nself_core.settings import load, scaffold
    from nself_core.settings.cascade import secrets_path
    from nself_core.settings.environment import FOLDER
    from nself_core.settings.provision import provision

    kept = scaffold.keep_old(root) if force else None
    files = scaffold.files(wish, declarations)
    secrets = secrets_path(root, "dev")
    with scaffold.Scaffold(root) as site:
        scaffold.begin(root, [*files, str(secrets.relative_to(root)), f"{FOLDER}/.gitignore"])
        for label, text in files.items():
            site.write(label, text, 0o600 if label == ".env" else 0o644)
        site.ignore()
        site.note(secrets)
        site.note(root / FOLDER / ".gitignore")
        loaded = load(root, declarations, env="dev", environ=_quiet_environ())
        provision(root, "dev", loaded.to_be_made)
        site.written.append(str(secrets.relative_to(root)))
    scaffold.finish(root)
    return site.written, str(kept.relative_to(root)) if kept else ""


def _quiet_environ() -> dict[str, str]:
    """No variable of the process counts: what is written must hold for everyone."""
    return {name: value for name, value in os.environ.items() if name in {"HOME", "PATH"}}


def _tell(wish: Wish, made: list[str], kept: str) -> None:
    notes: dict[str, Any] = {
        ".env.dev": "shared settings",
        ".env.staging": "what staging has otherwise",
        ".env.prod": "what production has otherwise",
        ".env": "this machine's own; git ignores it",
        ".env.example": "everything that can be set",
        ".gitignore": "keeps secrets out of git",
        ".environments/dev/.env.secrets": "secrets made for dev (0600)",
    }
    output.say(f"Made the project {wish.name}:")
    for label in made:
        output.say(f"  {label:32} {notes.get(label, '')}".rstrip())
    if kept:
        output.say(f"The old settings are kept in {kept}.")
    output.next_step("nself build, then nself start")
