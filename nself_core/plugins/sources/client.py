"""A client of one registry: python-tuf's updater, what it keeps on disk, and what it does when nobody answers.

``state`` holds the metadata that was verified last and the catalogue's documents, for one process at a time. Everything kept
is verified again each time it is read, so that whoever writes there gains nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from tuf.api.exceptions import (
    DownloadError,
    DownloadHTTPError,
    DownloadLengthMismatchError,
    SlowRetrievalError,
)
from tuf.api.metadata import Metadata, Timestamp
from tuf.ngclient import Updater, UpdaterConfig

from hookspecs.errors import UserError
from nself_core.plugins.sources.fetching import FolderFetcher, HttpFetcher, KeptFetcher, fetcher_for
from nself_core.plugins.sources.refusals import told

if TYPE_CHECKING:
    from tuf.api.metadata import TargetFile

#: Seconds to wait for another nself that uses the same registry.
LOCK_TIMEOUT = 120
#: Bytes of a catalogue document, and of a wheel.
MAX_DOCUMENT = 64_000_000
MAX_WHEEL = 512_000_000


def config() -> UpdaterConfig:
    """Limits on what is read before its length is known. A catalogue of 100,000 plugins has 256 bins."""
    return UpdaterConfig(max_delegations=64, snapshot_max_length=4_000_000, targets_max_length=8_000_000)


@dataclass(frozen=True, slots=True)
class Places:
    """Where a registry's files are, and where what was verified of them is kept."""

    metadata_url: str
    targets_url: str
    metadata: Path
    targets: Path

    @classmethod
    def of(cls, url: str, state: Path) -> Places:
        """The places of a registry as ``nself registry publish`` writes it, kept below ``state``."""
        base = url.rstrip("/")
        return cls(f"{base}/metadata/", f"{base}/targets/", state / "metadata", state / "targets")


class Client:
    """Verified files of a registry. ``root`` is trusted as given.

    Every method raises ``UserError`` for what it refuses, and then nothing was changed but for newer metadata that held.
    """

    def __init__(self, name: str, places: Places, root: bytes) -> None:
        self.name = name
        self._places = places
        self._root = root
        self._fetcher: HttpFetcher | FolderFetcher | KeptFetcher = fetcher_for(places.metadata_url)
        self._updater: Updater | None = None
        self.offline = False
        """Whether nobody answered, and what was kept serves instead (as long as it has not expired)."""

    def refresh(self) -> None:
        """Fetch and verify the top-level metadata, once in this client's life."""
        with self._at_work():
            self._refreshed()

    def find(self, target: str) -> TargetFile | None:
        """Length and hashes of a target, ``None`` where the registry has none of that name."""
        with self._at_work():
            return self._refreshed().get_targetinfo(target)

    def read(self, target: str) -> bytes | None:
        """The content of a target, kept from the last time where that is still the one that is signed."""
        with self._at_work():
            updater = self._refreshed()
            info = updater.get_targetinfo(target)
            if info is None:
                return None
            if info.length > MAX_DOCUMENT:
                raise ValueError(f"{target} is larger than {MAX_DOCUMENT} bytes")
            kept = str(self._places.targets / quote(target, ""))
            if updater.find_cached_target(info, kept) is None:
                fresh = f"{kept}.new"
                updater.download_target(info, fresh)
                os.replace(fresh, kept)  # noqa: PTH105
            return Path(kept).read_bytes()

    def download(self, info: TargetFile, place: Path, told_of: Callable[[int], None]) -> None:
        """Fetch a target to ``place``, which appears only when its length and hashes are those that were signed."""
        if info.length > MAX_WHEEL:
            size = f"{info.length // 1_000_000} MB"
            raise UserError(f"registry {self.name}: {info.path} is {size}, more than a plugin may be", code="registry-length")
        with self._at_work():
            updater = self._refreshed()
            self._fetcher.told = told_of
            fresh = place.with_name(f".{place.name}.part")
            try:
                updater.download_target(info, str(fresh))
                fresh.replace(place)
            finally:
                self._fetcher.told = None
                fresh.unlink(missing_ok=True)

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        from filelock import FileLock, Timeout

        with told(self.name, self._places.metadata_url, lambda: self._fetcher.date):
            for folder in (self._places.metadata, self._places.targets):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                lock = FileLock(self._places.metadata / ".lock").acquire(timeout=LOCK_TIMEOUT)
            except Timeout:
                raise UserError(
                    f"registry {self.name}: another nself has been using it for {LOCK_TIMEOUT} s",
                    where=str(self._places.metadata), remedy="wait until it is done, or end it", code="locked",
                ) from None  # fmt: skip
            with lock:
                yield

    def _refreshed(self) -> Updater:
        if self._updater is None:
            updater = self._open()
            try:
                updater.refresh()
            except DownloadError as error:
                if not self._nobody_answers(error):
                    raise
                updater = self._from_what_is_kept()
            self._updater = updater
        return self._updater

    def _open(self) -> Updater:
        return Updater(
            metadata_dir=str(self._places.metadata),
            metadata_base_url=self._places.metadata_url,
            target_base_url=self._places.targets_url,
            fetcher=self._fetcher,
            config=config(),
            bootstrap=self._root,
        )

    def _nobody_answers(self, error: DownloadError) -> bool:
        """Whether there is no connection: not where a server answered anything at all, wrong or slow."""
        answered = (DownloadHTTPError, DownloadLengthMismatchError, SlowRetrievalError)
        return not isinstance(error, answered) and (self._places.metadata / "timestamp.json").is_file()

    def _from_what_is_kept(self) -> Updater:
        """All checks as ever, expiry too, upon the metadata of the last time."""
        kept = Metadata[Timestamp].from_bytes((self._places.metadata / "timestamp.json").read_bytes())
        if kept.signed.is_expired():
            when = f"{kept.signed.expires:%Y-%m-%d %H:%M UTC}"
            raise DownloadError(f"nobody answers, and what is kept of it expired on {when}")
        self.offline = True
        self._fetcher = KeptFetcher(self._places.metadata)
        updater = self._open()
        updater.refresh()
        return updater
