"""TLS certificates for development: a local authority per home, and leaf certificates per project.

``cryptography`` is imported only when something must be made: what was made last is remembered beside the certificate.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from nself_core.certificates import record
from nself_core.render.atomic import write_atomically

#: Names every certificate covers.
ALWAYS = ("localhost", "127.0.0.1", "::1")
#: Renewed when fewer days are left.
RENEW_DAYS = 30


class CertificateFiles(NamedTuple):
    """Where a certificate is. ``made``: whether this call made it; ``foreign``: somebody else put it there."""

    fullchain: Path
    privkey: Path
    made: bool
    foreign: bool = False


def ensure(home: Path, state: Path, name: str, hosts: Sequence[str], now: datetime | None = None) -> CertificateFiles:
    """Make the certificate of that name, or renew it where it does not cover ``hosts`` or ends soon.

    ``state`` is the project's ``.nself`` folder. A certificate that somebody else put there is left alone. A call
    that was cut short is noticed by the next one, which makes both files anew.
    """
    now = now or datetime.now(UTC)
    folder = state / "certs" / name
    fullchain, privkey = folder / "fullchain.pem", folder / "privkey.pem"
    wanted = record.wanted(hosts, ALWAYS)
    known = record.read(folder)
    if fullchain.exists() and privkey.exists():
        unfinished = known is not None and known.unfinished
        if not unfinished and (known is None or not known.is_of(fullchain)):
            return CertificateFiles(fullchain, privkey, made=False, foreign=True)
        if known is not None and not unfinished and known.serves(wanted, home, now, RENEW_DAYS):
            return CertificateFiles(fullchain, privkey, made=False)
    from nself_core.certificates.authority import Authority
    from nself_core.certificates.leaf import issue

    authority = Authority.of(home, now)
    leaf = issue(authority, wanted, now)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    record.begin(folder)
    write_atomically(privkey, leaf.key, 0o600)
    write_atomically(fullchain, leaf.chain, 0o644)
    record.Record.of(leaf.chain, wanted, authority.pem, leaf.not_after).write(folder)
    return CertificateFiles(fullchain, privkey, made=True)
