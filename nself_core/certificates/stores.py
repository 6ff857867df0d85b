"""The system's store of trusted authorities: where it is, and the commands that change it."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

#: Linux: folder of anchors and the command that reads them, by distribution family.
_LINUX = (
    (Path("/usr/local/share/ca-certificates"), "update-ca-certificates", ()),
    (Path("/etc/pki/ca-trust/source/anchors"), "update-ca-trust", ("extract",)),
    (Path("/etc/ca-certificates/trust-source/anchors"), "update-ca-trust", ("extract",)),
)
_MAC_KEYCHAIN = "/Library/Keychains/System.keychain"


@dataclass(frozen=True)
class Store:
    """Commands as argument lists; ``anchor`` is the file that shows whether it is installed, where there is one."""

    name: str
    install: tuple[tuple[str, ...], ...]
    uninstall: tuple[tuple[str, ...], ...]
    anchor: Path | None = None
    check: tuple[str, ...] = ()


def system_store(certificate: Path, label: str) -> Store | None:
    """This machine's store; ``None`` where it is of a kind nself does not know. ``label`` names the anchor."""
    if sys.platform == "darwin":
        return mac(certificate)
    for folder, update, arguments in _LINUX:
        if shutil.which(update) and folder.parent.is_dir():
            return linux(certificate, folder / f"{label}.crt", (update, *arguments))
    return None


def linux(certificate: Path, anchor: Path, update: tuple[str, ...]) -> Store:
    """A folder of anchors and a command that gathers them."""
    return Store(
        name=str(anchor.parent),
        install=(("install", "-D", "-m", "644", str(certificate), str(anchor)), update),
        uninstall=(("rm", "-f", str(anchor)), update),
        anchor=anchor,
    )


def mac(certificate: Path) -> Store:
    """The system keychain."""
    return Store(
        name=_MAC_KEYCHAIN,
        install=(("security", "add-trusted-cert", "-d", "-r", "trustRoot", "-k", _MAC_KEYCHAIN, str(certificate)),),
        uninstall=(("security", "remove-trusted-cert", "-d", str(certificate)),),
        check=("security", "verify-cert", "-c", str(certificate)),
    )


def browser_store(certificate: Path, label: str) -> Store | None:
    """The store that Chromium and Firefox keep for the user on Linux; ``None`` where they or ``certutil`` are not there."""
    database = Path.home() / ".pki" / "nssdb"
    if not shutil.which("certutil") or not (database / "cert9.db").exists():
        return None
    place = f"sql:{database}"
    return Store(
        name=str(database),
        install=(("certutil", "-d", place, "-A", "-t", "C,,", "-n", label, "-i", str(certificate)),),
        uninstall=(("certutil", "-d", place, "-D", "-n", label),),
        check=("certutil", "-d", place, "-L", "-n", label),
    )


def as_root(command: tuple[str, ...]) -> tuple[str, ...] | None:
    """The command with the rights it needs; ``None`` where there is no way to get them."""
    if os.geteuid() == 0:
        return command
    return ("sudo", *command) if shutil.which("sudo") else None
