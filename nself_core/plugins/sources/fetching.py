"""How a registry's files come here: over HTTP(S) with limits on time and length, out of a folder, or from what is kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import urllib3
from tuf.api.exceptions import DownloadError, DownloadHTTPError, SlowRetrievalError
from tuf.ngclient import FetcherInterface
from tuf.ngclient.urllib3_fetcher import Urllib3Fetcher

from nself_core import __version__

#: Seconds without a byte, and seconds before a transfer must have kept up ``LEAST_RATE``.
SOCKET_TIMEOUT = 15
PATIENCE = 60
#: Bytes per second: slower is taken for an attack that keeps a client waiting (slow retrieval).
LEAST_RATE = 8_192
CHUNK = 65_536


class HttpFetcher(Urllib3Fetcher):
    """HTTP with a time limit on the whole transfer, told of every chunk. ``date`` is the server's clock, as it says."""

    def __init__(self) -> None:
        super().__init__(socket_timeout=SOCKET_TIMEOUT, chunk_size=CHUNK, app_user_agent=f"nself/{__version__}")
        self.date = ""
        self.told: Callable[[int], None] | None = None

    def _fetch(self, url: str) -> Iterator[bytes]:
        """See ``FetcherInterface``. The bytes are taken as they lie there: the hashes are those of the stored file."""
        try:
            plain, limit = {"Accept-Encoding": "identity"}, urllib3.Timeout(SOCKET_TIMEOUT)
            response = self._proxy_env.request("GET", url, preload_content=False, timeout=limit, headers=plain)
        except urllib3.exceptions.MaxRetryError as error:
            if isinstance(error.reason, urllib3.exceptions.ReadTimeoutError):  # a refused connection counts as a timeout too
                raise SlowRetrievalError(f"no answer from {url} within {SOCKET_TIMEOUT} s") from error
            raise DownloadError(f"{url} is not reached: {error.reason}") from error
        self.date = response.headers.get("Date", "") or self.date
        if response.status >= 400:
            response.close()
            raise DownloadHTTPError(f"{url} answers {response.status}", response.status)
        return self._limited(response, url)

    def _limited(self, response: Any, url: str) -> Iterator[bytes]:
        started, received = time.monotonic(), 0
        try:
            while chunk := response.read1(CHUNK, decode_content=False):  # what is there: `stream` would wait for a whole chunk
                received += len(chunk)
                if time.monotonic() - started > PATIENCE + received / LEAST_RATE:
                    raise SlowRetrievalError(f"{url} comes slower than {LEAST_RATE // 1024} KiB a second")
                if self.told is not None:
                    self.told(len(chunk))
                yield chunk
            response.release_conn()
        except urllib3.exceptions.TimeoutError as error:
            raise SlowRetrievalError(f"{url} stopped for {SOCKET_TIMEOUT} s") from error
        except urllib3.exceptions.HTTPError as error:
            raise DownloadError(f"{url} broke off: {error}") from error
        finally:
            if response.connection is not None:  # not read to its end: what is left would be taken for the next answer
                response.close()


class FolderFetcher(FetcherInterface):
    """A published tree on this machine, a mirror on a stick for instance, addressed by ``file://`` URLs."""

    def __init__(self) -> None:
        self.date = ""
        self.told: Callable[[int], None] | None = None

    def _fetch(self, url: str) -> Iterator[bytes]:
        path = Path(unquote(urlsplit(url).path))
        if not path.is_file():
            raise DownloadHTTPError(f"{path} is not there", 404)
        return self._chunks(path)

    def _chunks(self, path: Path) -> Iterator[bytes]:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                if self.told is not None:
                    self.told(len(chunk))
                yield chunk


class KeptFetcher(FetcherInterface):
    """Answers with the metadata kept from the last time, and else as a server that has nothing: for when none is reached."""

    def __init__(self, metadata: Path) -> None:
        self._metadata = metadata
        self.date = ""
        self.told: Callable[[int], None] | None = None

    def _fetch(self, url: str) -> Iterator[bytes]:
        name = urlsplit(url).path.rpartition("/")[2]
        if name == "timestamp.json":
            return iter([(self._metadata / name).read_bytes()])
        if name.endswith(".root.json"):
            raise DownloadHTTPError("no newer root is kept", 404)
        raise DownloadError(f"{name} is not kept here")


def fetcher_for(url: str) -> HttpFetcher | FolderFetcher:
    """What fetches from a registry at ``url``."""
    return FolderFetcher() if urlsplit(url).scheme == "file" else HttpFetcher()
