"""A registry somewhere else, verified by The Update Framework."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hookspecs.errors import UserError
from nself_core.plugins.publishers import OURS
from nself_core.plugins.revocations import Revocations
from nself_core.plugins.sources.model import Progress, Release

if TYPE_CHECKING:
    from hookspecs.models.catalogue import CatalogueEntry, Document
    from nself_core.plugins.sources.client import Client

M = TypeVar("M", bound="Document")


class RemoteSource:
    """The catalogue and the wheels of one configured registry; nothing is fetched before it is asked for."""

    def __init__(self, name: str, url: str, root: bytes, state: Path, home: Path) -> None:
        self.name = name
        self._revocations = Revocations(home)
        self._learned = False
        self._url = url
        self._root = root
        self._state = state

    def refresh(self) -> bool:
        """Fetch and verify metadata and revocations; whether the registry answered, and not what was kept of it."""
        self._learn_revocations()
        return not self.client.offline

    def releases(self, name: str) -> list[Release]:
        """See ``Source``."""
        from hookspecs.models.catalogue import PluginReleases, releases_path

        self._learn_revocations()
        data = self.client.read(releases_path(name))
        if data is None:
            return []
        found = self._parsed(PluginReleases, data, packed=True)
        return [self._release(entry) for entry in found.releases if entry.name == name and _is_version(entry.version)]

    def catalogue(self) -> list[Release]:
        """See ``Source``. These carry no manifest and no file: ``releases`` has them, and ``download`` asks there."""
        from hookspecs.models.catalogue import INDEX, CatalogueIndex, shard_path

        self._learn_revocations()
        index = self._parsed(CatalogueIndex, self._needed(INDEX))
        rows: list[Release] = []
        for shard in range(index.shards):
            rows += self._listed(self._needed(shard_path(shard)))
        return [row for row in rows if not row.revoked]

    def download(self, release: Release, into: Path, progress: Progress) -> Path:
        """See ``Source``."""
        from hookspecs.models.catalogue import wheel_path

        if not release.file:
            release = self._whole(release)
        info = self.client.find(wheel_path(release.publisher, release.file))
        if info is None:
            raise self._contradiction(f"{release.file} is in its catalogue, and {release.publisher} does not vouch for it")
        if (info.length, info.hashes.get("sha256")) != (release.length, release.sha256):
            raise self._contradiction(f"its catalogue and {release.publisher} say different things of {release.file}")
        place = into / release.file
        self.client.download(info, place, progress)
        return place

    @cached_property
    def client(self) -> Client:
        """The verified connection, one per process. python-tuf is imported here."""
        from nself_core.plugins.sources.client import Client, Places

        return Client(self.name, Places.of(self._url, self._state), self._root)

    def _learn_revocations(self) -> None:
        """Remember what the registry took back. It has no say over nself's own keys, which come with the program."""
        from hookspecs.models import catalogue

        if self._learned:
            return
        told = self._parsed(catalogue.Revocations, self._needed(catalogue.REVOCATIONS))
        releases = [Release(self.name, one.publisher, one.name, one.version, revoked=one.reason) for one in told.versions]
        self._revocations.remember(releases, {one.key: one.reason for one in told.keys if one.publisher != OURS})
        self._learned = True

    def _needed(self, target: str) -> bytes:
        data = self.client.read(target)
        if data is None:
            raise self._contradiction(f"it has no {target}")
        return data

    def _parsed(self, model: type[M], data: bytes, *, packed: bool = False) -> M:
        from hookspecs.models.catalogue import unpack

        try:
            return model.model_validate_json(unpack(data) if packed else data)
        except ValueError as error:
            raise self._contradiction(f"a document of its catalogue cannot be read: {str(error).splitlines()[0]}") from None

    def _listed(self, data: bytes) -> Iterator[Release]:
        """The rows of a listing shard. Signed as they are, they are only read: a model for each of 100,000 would take seconds."""
        from hookspecs.models.catalogue import unpack

        reason = self._reason if self._revocations.any else _nothing
        try:
            for row in json.loads(unpack(data))["plugins"]:
                yield Release(
                    registry=self.name,
                    publisher=row["publisher"],
                    name=row["name"],
                    version=row["version"],
                    tier=row["tier"],
                    bundles=tuple(row["bundles"]),
                    summary=row["summary"],
                    level=row["level"],
                    revoked=reason(row["publisher"], row["name"], row["version"], row["key"]),
                )
        except (ValueError, KeyError, TypeError) as error:
            raise self._contradiction(f"a listing of its catalogue cannot be read: {error!r}") from None

    def _whole(self, release: Release) -> Release:
        for one in self.releases(release.name):
            if (one.publisher, one.version) == (release.publisher, release.version):
                return one
        raise self._contradiction(f"{release.full_name} {release.version} is in its listing and not among its releases")

    def _release(self, entry: CatalogueEntry) -> Release:
        manifest: Mapping[str, Any] = entry.manifest
        return Release(
            registry=self.name,
            publisher=entry.publisher,
            name=entry.name,
            version=entry.version,
            tier=str(manifest.get("tier", "free")),
            bundles=tuple(_texts(manifest.get("bundles", ()))),
            summary=str(manifest["summary"]),
            level=entry.level,
            manifest=manifest,
            file=entry.file,
            length=entry.length,
            sha256=entry.sha256,
            yanked=bool(entry.yanked),
            revoked=self._reason(entry.publisher, entry.name, entry.version, entry.key),
        )

    def _reason(self, publisher: str, name: str, version: str, key: str) -> str:
        return self._revocations.reason(f"{publisher}/{name}", version, key)

    def _contradiction(self, reason: str) -> UserError:
        return UserError(
            f"registry {self.name}: {reason}", where=self._url,
            remedy="nothing was changed; tell the registry's operator", code="registry-invalid",
        )  # fmt: skip


def _nothing(publisher: str, name: str, version: str, key: str) -> str:
    return ""


def _texts(value: object) -> Iterable[str]:
    return (str(one) for one in value) if isinstance(value, list | tuple) else ()


def _is_version(text: str) -> bool:
    from packaging.version import InvalidVersion, Version

    try:
        Version(text)
    except InvalidVersion:
        return False
    return True
