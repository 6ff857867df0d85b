"""The registry that comes with nself. No network, no expiry: the release's signature covers it, in a checkout this home's key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from hookspecs.errors import UserError
from nself_core.plugins.sources.model import Progress, Release
from nself_core.plugins.sources.newest import newest
from nself_core.signed_list import ListError

NAME = "embedded"
#: Where a release carries it, relative to the site folder.
FOLDER = "builtin_plugins/registry/embedded"


class EmbeddedSource:
    """Signed wheels and a catalogue in a folder. ``files`` are the hashes that count: what differs is refused."""

    name = NAME

    def __init__(self, folder: Path, files: Mapping[str, str]) -> None:
        self._folder = folder
        self._files = files

    def releases(self, name: str) -> list[Release]:
        """See ``Source``."""
        return [release for release in self._releases if release.name == name]

    def catalogue(self) -> list[Release]:
        """See ``Source``."""
        return newest(self._releases)

    def download(self, release: Release, into: Path, progress: Progress) -> Path:
        """See ``Source``."""
        data = self._verified(release.file)
        if len(data) != release.length or hashlib.sha256(data).hexdigest() != release.sha256:
            raise _broken(self._folder / release.file, "it is not the one that the catalogue lists")
        place = into / release.file
        place.write_bytes(data)
        progress(len(data))
        return place

    @cached_property
    def _releases(self) -> list[Release]:
        from nself_core.plugins.sources.building import CATALOGUE

        content = json.loads(self._verified(CATALOGUE))
        return [_release(entry) for entry in content["releases"]]

    def _verified(self, name: str) -> bytes:
        place = self._folder / name
        if name not in self._files:
            raise _broken(place, "it is in no signed list")
        try:
            data = place.read_bytes()
        except OSError as error:
            raise _broken(place, (error.strerror or str(error)).lower()) from None
        if hashlib.sha256(data).hexdigest() != self._files[name]:
            raise _broken(place, "it was changed")
        return data


def embedded_source(home: Path) -> EmbeddedSource:
    """The embedded registry: the release's own, or in a checkout the one built from ``registry/``."""
    from nself_core import release

    try:
        if release.is_release():
            return EmbeddedSource(release.SITE / FOLDER, release.embedded_files())
    except ListError as error:
        raise _broken(release.SITE / FOLDER, str(error)) from None
    return of_checkout(release.SITE / "registry", home)


def of_checkout(registry: Path, home: Path) -> EmbeddedSource:
    """The registry built from the sources below ``registry``, its list signed with this home's own key."""
    from nself_core.plugins.keys import own_keys
    from nself_core.plugins.publishers import OURS
    from nself_core.plugins.sources.building import build_for_checkout
    from nself_core.signed_list import read

    folder = build_for_checkout(registry, home)
    (key,) = own_keys(home)[OURS].values()
    try:
        return EmbeddedSource(folder, read(folder / "files.json", key).files)
    except ListError as error:
        raise _broken(folder, str(error)) from None


def _release(entry: Mapping[str, Any]) -> Release:
    manifest = entry["manifest"]
    return Release(
        registry=NAME,
        publisher=entry["publisher"],
        name=manifest["name"],
        version=manifest["version"],
        tier=manifest.get("tier", "free"),
        bundles=tuple(manifest.get("bundles", ())),
        summary=manifest["summary"],
        level=entry["level"],
        manifest=manifest,
        file=entry["file"],
        length=entry["length"],
        sha256=entry["sha256"],
        yanked=bool(entry["yanked"]),
    )


def _broken(place: Path, reason: str) -> UserError:
    return UserError(
        f"the registry that comes with nself cannot be trusted: {reason}",
        where=str(place),
        remedy="install nself again from where you had it; in a checkout remove this, and it is built anew",
        code="registry-embedded",
    )
