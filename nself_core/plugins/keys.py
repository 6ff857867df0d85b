"""Keys of authors and teams, below ``keys`` of nself's home (0700): ``<publisher>.pem`` and ``<publisher>.pub``.

A private key is PKCS #8 in PEM, readable by its owner alone, and never belongs in version control. The secret that a team
shares is the content of ``keys/shared.secret``, or of the file that ``NSELF_PLUGIN_HMAC_SECRET_FILE`` of the process
environment names. A project's ``.env`` cannot name it: whoever writes a repository would decide what is trusted.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from hookspecs.errors import UserError
from nself_core.plugins.files import write_private
from nself_core.plugins.signing import SigningKey, key_id

SECRET_VARIABLE = "NSELF_PLUGIN_HMAC_SECRET_FILE"  # noqa: S105  a name
SECRET_FILE = "shared.secret"  # noqa: S105  a name
_PUBLISHER = re.compile(r"[a-z][a-z0-9]*([.-][a-z0-9]+)*\Z")
_PREFIX = "ed25519:"


def check_publisher(name: str) -> str:
    """The name, where it may be a publisher's; ``UserError`` where not."""
    if not _PUBLISHER.match(name) or len(name) > 60:
        raise UserError(
            f"{name!r} is no name of a publisher",
            remedy="lower-case words joined by hyphens or dots",
            exit_code=2,
        )
    return name


def keygen(home: Path, publisher: str) -> SigningKey:
    """Make a publisher's ed25519 key and keep it below ``home``. ``UserError`` where there is one: it is never overwritten."""
    key = SigningKey(check_publisher(publisher), secrets.token_bytes(32))
    place = _private(home, publisher)
    if place.exists():
        raise UserError(
            f"there is a key of {publisher} already", where=str(place), remedy="move it away to make another", code="key-there"
        )
    write_private(place.with_suffix(".pub"), public_text(key.public) + "\n")
    write_private(place, _pem(key.secret))  # last: where it is, the other half is
    return key


def load_key(home: Path, publisher: str) -> SigningKey:
    """The publisher's private key; ``UserError`` where there is none or others can read it."""
    place = _private(home, check_publisher(publisher))
    return SigningKey(publisher, read_pem(place, f"nself plugin keygen {publisher}"))


def read_pem(place: Path, remedy: str = "") -> bytes:
    """The 32 bytes of the ed25519 key in a PEM file; ``UserError`` where there is none or others can read it."""
    return _seed(_read_private(place, remedy), place)


def shared_key(home: Path, publisher: str) -> SigningKey:
    """The team's shared secret as a key to sign with; ``UserError`` where there is none."""
    secret = shared_secret(home)
    if secret is None:
        where = str(home / "keys" / SECRET_FILE)
        remedy = f"put 32 random characters or more there (mode 0600), or name the file in {SECRET_VARIABLE}"
        raise UserError("there is no shared secret to sign with", where=where, remedy=remedy, code="key-missing")
    return SigningKey(publisher, secret, "hmac-sha256")


def shared_secret(home: Path) -> bytes | None:
    """The secret that the team shares, if there is one; ``UserError`` where it is too short or others can read it."""
    named = os.environ.get(SECRET_VARIABLE, "")
    place = Path(named) if named else home / "keys" / SECRET_FILE
    if not named and not place.exists():
        return None
    secret = _read_private(place, f"mend {SECRET_VARIABLE}" if named else "").strip()
    if len(secret) < 32:
        raise UserError("the shared secret is shorter than 32 characters", where=str(place), code="key-weak")
    return secret


def own_keys(home: Path) -> Mapping[str, Mapping[str, bytes]]:
    """The public halves of this home's own keys: publisher → key id → 32 bytes."""
    try:
        names = sorted(entry.name for entry in os.scandir(home / "keys") if entry.name.endswith(".pub"))
    except OSError:
        return {}
    found = {}
    for name in names:
        public = parse_public((home / "keys" / name).read_text(encoding="utf-8", errors="replace"))
        found[name.removesuffix(".pub")] = {key_id(public): public}
    return found


def public_text(public: bytes) -> str:
    """A public key as people pass it on: ``ed25519:<Base64>``."""
    return _PREFIX + base64.b64encode(public).decode()


def parse_public(text: str) -> bytes:
    """The 32 bytes of a key in that form; ``UserError`` where it is none."""
    try:
        public = base64.b64decode(text.strip().removeprefix(_PREFIX), validate=True)
    except ValueError:
        public = b""
    if not text.strip().startswith(_PREFIX) or len(public) != 32:
        raise UserError(
            "this is no public key", where=text.strip()[:60], remedy="it has the form ed25519:… (44 characters)", exit_code=2
        )
    return public


def _private(home: Path, publisher: str) -> Path:
    return home / "keys" / f"{publisher}.pem"


def _read_private(place: Path, remedy: str) -> bytes:
    try:
        mode = place.stat().st_mode
        data = place.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UserError(f"the key cannot be read: {reason}", where=str(place), remedy=remedy, code="key-missing") from None
    if mode & 0o077:
        raise UserError("others can read this key", where=str(place), remedy=f"chmod 600 {place}", code="key-open")
    return data


def _pem(seed: bytes) -> str:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return (
        Ed25519PrivateKey.from_private_bytes(seed)
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )


def _seed(pem: bytes, place: Path) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise UserError(f"this is no private key: {error}", where=str(place), code="key-broken") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UserError("this is no ed25519 key", where=str(place), code="key-broken")
    return key.private_bytes_raw()
