"""Why a registry's answer was refused, told to the user: what it may mean, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from tuf.api import exceptions as tuf
from tuf.api.serialization import DeserializationError

from hookspecs.errors import UserError


@contextmanager
def told(registry: str, url: str, server_date: Callable[[], str] = lambda: "") -> Iterator[None]:
    """Turn what python-tuf and the file system raise into a ``UserError`` about one registry. Nothing was changed."""
    try:
        yield
    except (tuf.RepositoryError, tuf.DownloadError, OSError, ValueError) as error:
        raise refusal(registry, url, error, server_date()) from error


def refusal(registry: str, url: str, error: BaseException, server_date: str = "") -> UserError:
    """One failure in words. ``code`` tells the kind to programs."""
    code, message, remedy = _kind(error, server_date)
    return UserError(f"registry {registry}: {message}", where=url, remedy=remedy, code=f"registry-{code}")


def _kind(error: BaseException, server_date: str) -> tuple[str, str, str]:  # noqa: PLR0911  one answer per kind
    detail = str(error)
    attack = "nothing was changed; try again later or from another network, and tell the registry's operator if it stays so"
    if isinstance(error, tuf.ExpiredMetadataError):
        reasons = f"nobody renewed it, somebody holds newer metadata back (freeze), or {_clocks(server_date)}"
        remedy = "check this machine's date and time; if they are right, the registry's operator must publish again"
        return "expired", f"{detail}: {reasons}", remedy
    if isinstance(error, tuf.BadVersionNumberError):
        return "rollback", f"it offers older metadata than this machine has seen, or a mix of states ({detail})", attack
    if isinstance(error, tuf.UnsignedMetadataError):
        return "signature", f"its metadata is not signed by the keys you trust ({detail})", (
            "compare its root.json with the operator by another way, then connect it anew: nself registry disconnect, connect"
        )  # fmt: skip
    if isinstance(error, tuf.DownloadLengthMismatchError):
        return "length", f"it sends more than was signed for, without end perhaps ({detail})", attack
    if isinstance(error, tuf.LengthOrHashMismatchError):
        return "hash", f"a file is not the one that was signed: other length or hash ({detail})", attack
    if isinstance(error, tuf.SlowRetrievalError):
        return "slow", f"it answers too slowly ({detail or 'no byte for too long'})", "try again, or from another network"
    if isinstance(error, tuf.DownloadHTTPError):
        return "missing", f"a file that must be there is not ({detail})", (
            "check the address with `nself registry list`; a registry's folder must be served whole"
        )  # fmt: skip
    if isinstance(error, tuf.DownloadError):
        return "unreachable", f"it is not reached ({detail})", "check the network and the address: nself registry list"
    if isinstance(error, DeserializationError):
        return "invalid", "it sent something that is no metadata", attack
    if isinstance(error, OSError):
        return "state", f"what is kept of it cannot be used: {error.strerror or error} {error.filename or ''}".rstrip(), (
            "make the folder readable and writable for you alone"
        )  # fmt: skip
    return "invalid", f"its metadata contradicts itself ({detail})", attack


def _clocks(server_date: str) -> str:
    here = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    server = f", the server says {server_date}" if server_date else ""
    return f"this machine's clock is wrong (it says {here}{server})"
