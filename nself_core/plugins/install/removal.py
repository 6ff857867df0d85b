"""Take a plugin away: out of the project, out of the home, and where the user says so with its data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hookspecs.errors import UserError
from nself_core.plugins import pins, shared
from nself_core.plugins.install.plan import installed
from nself_core.plugins.install.store import Change, Store
from nself_core.plugins.lock import Lock
from nself_core.plugins.versions import names_of


def uninstall(home: Path, root: Path | None, name: str, *, drop: Callable[[], None] | None, say: Callable[[str], None]) -> str:
    """Remove a plugin from this home and from the project's ``plugins.lock``; returns its version.

    ``drop`` removes its data and is called first: where it fails, nothing else has happened.
    """
    store = Store(home)
    with store.lock("plugin uninstall"), store.staging() as staging:
        present = installed(home, store)
        release = present.get(name)
        if release is None:
            raise UserError(f"no plugin {name!r} is installed", remedy="nself plugin list", code="plugin-unknown")
        if release.registry == "pip":
            raise UserError(
                f"{name} was installed with pip, beside nself",
                remedy=f"nself plugin disable {name}; pip uninstall nself-plugin-{name}",
                code="plugin-pip",
            )
        users = [one.full_name for one in present.values() if name in names_of(tuple(one.manifest.get("depends_on", ())))]
        if users:
            remedy = f"uninstall {', '.join(users)} first"
            raise UserError(f"{name} is needed by {', '.join(users)}", remedy=remedy, code="plugin-needed")
        if drop is not None:
            drop()
        change = Change(links={name: None}, delete=[str(store.place(one)) for one in store.versions(name)])
        others = [one for one in present.values() if one.name != name]
        change.links |= shared.prepare(home, others, staging, say)
        lock = Lock(root)
        if lock.place is not None and name in lock.pins:
            change.locks[str(lock.place)] = {name: None}
        store.apply(change)
        if name in pins.pinned(home):
            pins.pin(home, name, None)
        return release.version
