"""``nself trust``: make this machine trust the local certificate authority."""

from __future__ import annotations

import shlex
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hookspecs.errors import UserError
from nself_core import paths
from nself_core.cli.output import say, tell

if TYPE_CHECKING:
    from nself_core.certificates.stores import Store

_EXAMPLES = """\b
Examples:
  nself trust
  nself trust --check
  nself trust --print
  nself trust --uninstall
"""


@click.command(epilog=_EXAMPLES)
@click.option("--uninstall", is_flag=True, help="Take the authority out of the store again.")
@click.option("--check", is_flag=True, help="Only tell whether it is trusted; exit code 1 where it is not.")
@click.option("--print", "print_path", is_flag=True, help="Only print where the authority's certificate is.")
def command(uninstall: bool, check: bool, print_path: bool) -> None:
    """Make this machine trust the local certificate authority, for HTTPS in development.

    The authority is this home's own; its key never leaves it. Installing needs the rights of root: sudo is asked where you
    have not got them.
    """
    if uninstall + check + print_path > 1:
        raise click.UsageError("--uninstall, --check and --print exclude each other")
    certificate, label = _authority(make=not (uninstall or check))
    if print_path:
        say(str(certificate))
    elif check:
        _check(certificate, label)
    else:
        _change(certificate, label, uninstall=uninstall)


def _authority(*, make: bool) -> tuple[Path, str]:
    """The certificate's path and a label of its own, from its fingerprint."""
    import hashlib

    from nself_core.certificates.record import certificate_path

    home = paths.home()
    path = certificate_path(home)
    if not path.exists():
        if not make:
            raise UserError("there is no local authority yet", where=str(path), remedy="nself trust makes and installs one")
        from nself_core.certificates.authority import Authority

        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        Authority.of(home, datetime.now(UTC))
    return path, f"nself-local-{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"


def _stores(certificate: Path, label: str) -> tuple[Store | None, Store | None]:
    from nself_core.certificates.stores import browser_store, system_store

    return system_store(certificate, label), browser_store(certificate, label)


def _check(certificate: Path, label: str) -> None:
    system, browser = _stores(certificate, label)
    trusted = system is not None and _installed(system, certificate)
    say(f"{'trusted' if trusted else 'not trusted'}: {certificate}")
    if system is not None:
        tell(f"  system store {system.name}: {'yes' if trusted else 'no'}")
    if browser is not None:
        tell(f"  browsers' store {browser.name}: {'yes' if _installed(browser, certificate) else 'no'}")
    if not trusted:
        raise click.exceptions.Exit(1)


def _installed(store: Store, certificate: Path) -> bool:
    if store.anchor is not None:
        return store.anchor.exists() and store.anchor.read_bytes() == certificate.read_bytes()
    return subprocess.run(store.check, capture_output=True, check=False).returncode == 0


def _change(certificate: Path, label: str, *, uninstall: bool) -> None:
    from nself_core.certificates.stores import as_root

    system, browser = _stores(certificate, label)
    if system is None:
        raise UserError(
            "this machine keeps its trusted authorities in a way nself does not know",
            remedy=f"add {certificate} to them by hand",
            code="trust-store",
        )
    for step in system.uninstall if uninstall else system.install:
        command = as_root(step)
        if command is None:
            raise UserError(
                "changing the system's store needs the rights of root, and there is no sudo here",
                remedy=f"as root: {shlex.join(step)}",
                code="trust-rights",
            )
        _run(command)
    if browser is not None and (not uninstall or _installed(browser, certificate)):
        for step in browser.uninstall if uninstall else browser.install:
            _run(step)
    places = " and ".join(store.name for store in (system, browser) if store is not None)
    say(f"{'Removed from' if uninstall else 'Installed in'} {places}: {certificate}")
    if not uninstall:
        tell("Restart your browser. Programs with a store of their own (Firefox, Java, Node) need the file above named to them.")


def _run(command: tuple[str, ...]) -> None:
    tell(f"  {shlex.join(command)}")
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise UserError(
            f"{command[0]} failed with exit code {done.returncode}",
            where=done.stdout.strip().rpartition("\n")[2],
            remedy=f"run it by hand: {shlex.join(command)}",
            code="trust-failed",
        )
