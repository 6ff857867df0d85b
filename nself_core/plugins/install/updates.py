"""What ``nself plugin update`` takes on: what is newer, not pinned, and what the licence still holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hookspecs.errors import UserError
from nself_core.plugins.install.catalogue import Catalogue
from nself_core.plugins.install.outdated import outdated
from nself_core.plugins.install.plan import installed
from nself_core.plugins.install.store import Store
from nself_core.plugins.sources.request import Request


@dataclass(slots=True)
class Chosen:
    """What to update. ``left_out`` tells in words what is not, and why."""

    catalogue: Catalogue
    requests: list[Request] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def choose(home: Path, names: Sequence[str], catalogue: Catalogue | None = None) -> Chosen:
    """The plugins named, else all. One that was named and cannot be updated is a ``UserError``, later or here."""
    chosen = Chosen(catalogue or Catalogue(home))
    present = installed(home, Store(home))
    for name in names:
        if name not in present:
            raise UserError(f"no plugin {name!r} is installed", remedy=f"nself plugin install {name}", code="plugin-unknown")
    newer = {one.name: one for one in outdated(home, chosen.catalogue)}
    chosen.left_out += chosen.catalogue.away.values()
    for name in names or newer:
        one = newer.get(name)
        if one is None:
            continue
        if one.pinned and not names:
            chosen.left_out.append(f"{name} is pinned to {one.installed}; {one.newest} is there")
        elif not one.newest:
            chosen.left_out.append(f"{name} {one.installed} was revoked ({one.revoked}), and there is no other version to use")
        elif reason := _unlicensed(home, chosen.catalogue, name, one.newest, named=bool(names)):
            chosen.left_out.append(reason)
        else:
            chosen.requests.append(Request("name", name, name, present[name].publisher))
    return chosen


def _unlicensed(home: Path, catalogue: Catalogue, name: str, version: str, *, named: bool) -> str:
    from nself_core.licences.check import require

    release = next(one for one in catalogue.releases(name) if one.version == version)
    try:
        require(home, release, update=True)
    except UserError as error:
        if named:
            raise
        return f"{error.message}; {error.remedy}"
    return ""
