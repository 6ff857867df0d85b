"""``signature.json``: a plugin's signature over its name, version, publisher and the hash of every one of its files.

The file lies beside ``plugin.json`` and lists every other file of the folder, the manifest too. What is signed is the
pre-authentication encoding of the Dead Simple Signing Envelope (https://github.com/secure-systems-lab/dsse, protocol.md) of
the canonical JSON of all fields but ``signature``: a signature made for anything else can never pass for one of a plugin.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from nself_core.plugins.publishers import Publishers

SIGNATURE = "signature.json"
#: More than ten thousand files would fit.
MAX_BYTES = 2_000_000
PAYLOAD_TYPE = "application/vnd.nself.plugin+json"

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True)

Scheme = Literal["ed25519", "hmac-sha256"]
Kind = Literal["signed", "local", "hmac"]


class SignatureError(Exception):
    """A signature that is not what it should be, with the reason in words for the user."""


class UntrustedError(SignatureError):
    """A signature by somebody whom this home does not trust: it says nothing, neither good nor bad."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The private half: a 32-byte ed25519 seed, or the secret that a team shares. ``publisher`` is who signs with it."""

    publisher: str
    secret: bytes = field(repr=False)
    scheme: Scheme = "ed25519"

    @property
    def public(self) -> bytes:
        """The 32 bytes of the public half; ``ValueError`` for a shared secret, which has none."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        if self.scheme != "ed25519":
            raise ValueError("a shared secret has no public half")
        return Ed25519PrivateKey.from_private_bytes(self.secret).public_key().public_bytes_raw()

    @property
    def id(self) -> str:
        return secret_id(self.secret) if self.scheme == "hmac-sha256" else key_id(self.public)

    def sign(self, message: bytes) -> bytes:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        if self.scheme == "hmac-sha256":
            return hmac.digest(self.secret, message, "sha256")
        return Ed25519PrivateKey.from_private_bytes(self.secret).sign(message)


@dataclass(frozen=True, slots=True)
class Signature:
    """The content of ``signature.json``."""

    name: str
    version: str
    publisher: str
    scheme: Scheme
    key: str
    """Id of the key: see ``key_id``."""
    files: Mapping[str, str]
    """Relative POSIX path to SHA-256 in hexadecimal, for every file but ``signature.json``."""
    signature: str = ""
    """Base64."""
    format: Literal[1] = 1

    @property
    def message(self) -> bytes:
        """The bytes that are signed."""
        content = {name: getattr(self, name) for name in self.__slots__ if name != "signature"}
        return pre_authentication_encoding(PAYLOAD_TYPE, canonical(content))


class Signer(NamedTuple):
    """Who signed, and how far that carries: a trusted publisher, this home's own key, or the team's shared secret."""

    kind: Kind
    publisher: str
    key: str


def canonical(content: Mapping[str, Any]) -> bytes:
    """The one JSON encoding of texts, numbers and maps: sorted keys, no white space, ASCII."""
    return _ENCODER.encode(content).encode()


def pre_authentication_encoding(kind: str, body: bytes) -> bytes:
    """DSSE's ``PAE``: type and body, each with its length, so that neither can run into the other."""
    return b"DSSEv1 %d %s %d %s" % (len(kind.encode()), kind.encode(), len(body), body)


def key_id(public: bytes) -> str:
    """The name a public key goes by: the first half of the SHA-256 of its raw bytes, in hexadecimal."""
    return hashlib.sha256(public).hexdigest()[:32]


def secret_id(secret: bytes) -> str:
    """The name a shared secret goes by; it tells nothing of the secret."""
    return hmac.digest(secret, b"nself plugin key id", "sha256").hex()[:32]


def sign(folder: Path, key: SigningKey) -> None:
    """Write ``signature.json`` for the plugin in ``folder``. ``SignatureError`` where it cannot be signed as it is.

    The manifest's ``publisher`` must be the key's.
    """
    from nself_core.plugins.hashing import hash_files
    from nself_core.plugins.manifest import MANIFEST, ManifestError, read
    from nself_core.render.atomic import write_atomically

    try:
        manifest = read(os.path.join(folder, MANIFEST))  # noqa: PTH118
        files = hash_files(str(folder))
    except (ManifestError, ValueError, OSError) as error:
        raise SignatureError(f"{folder} cannot be signed: {error}") from None
    if manifest.get("publisher", "") != key.publisher:
        theirs = manifest.get("publisher") or "nobody"
        raise SignatureError(f"{MANIFEST} names {theirs} as its publisher, and the key is {key.publisher}'s")
    made = Signature(manifest["name"], manifest["version"], key.publisher, key.scheme, key.id, files)
    made = replace(made, signature=base64.b64encode(key.sign(made.message)).decode())
    content = json.dumps(asdict(made), indent=1, sort_keys=True) + "\n"
    write_atomically(folder / SIGNATURE, content.encode())


def read_signature(folder: Path | str) -> Signature | None:
    """The signature in ``folder``; ``None`` where there is none, ``SignatureError`` where it cannot be read."""
    try:
        with open(os.path.join(folder, SIGNATURE), "rb") as file:  # noqa: PTH118, PTH123
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SignatureError(f"{SIGNATURE} cannot be read: {(error.strerror or str(error)).lower()}") from None
    return parse(data)


def parse(data: bytes) -> Signature:
    """A ``Signature`` from its JSON; ``SignatureError`` where any field is not of its kind."""
    if len(data) > MAX_BYTES:
        raise SignatureError(f"{SIGNATURE} is larger than {MAX_BYTES} bytes")
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        raise SignatureError(f"{SIGNATURE} is no JSON") from None
    if not isinstance(content, dict) or content.keys() != set(Signature.__slots__):
        raise SignatureError(f"{SIGNATURE} must hold exactly {', '.join(sorted(Signature.__slots__))}")
    if content["format"] != 1:
        raise SignatureError(f"{SIGNATURE} is of format {content['format']!r}, and this nself knows format 1")
    if content["scheme"] not in {"ed25519", "hmac-sha256"}:
        raise SignatureError(f"{SIGNATURE} is of the scheme {content['scheme']!r}; ed25519 and hmac-sha256 are known")
    texts = [content[name] for name in ("name", "version", "publisher", "key", "signature")]
    files = content["files"]
    if not isinstance(files, dict) or not all(isinstance(text, str) for text in (*texts, *files.values())):
        raise SignatureError(f"{SIGNATURE} holds something other than texts")
    return Signature(**content)


def verify(signature: Signature, manifest: Mapping[str, Any], files: Mapping[str, str], publishers: Publishers) -> Signer:
    """Who signed these very files. ``UntrustedError`` where nobody trusts the signer, ``SignatureError`` for what is false.

    ``manifest`` is read from the bytes in ``files``, not from an index.
    """
    for name in ("name", "version", "publisher"):
        if getattr(signature, name) != manifest.get(name, ""):
            theirs = manifest.get(name, "")
            raise SignatureError(f"it is signed as {name} {getattr(signature, name)!r} and its plugin.json says {theirs!r}")
    if signature.files != files:
        raise SignatureError(f"its files are not those that were signed: {difference(signature.files, files)}")
    try:
        given = base64.b64decode(signature.signature, validate=True)
    except (ValueError, binascii.Error):
        raise SignatureError("its signature is no Base64") from None
    if signature.scheme == "hmac-sha256":
        return _verify_shared(signature, given, publishers)
    kind, public = publishers.key(signature.publisher, signature.key)
    if public is None:
        raise UntrustedError(f"{signature.publisher or 'nobody'} signed it with the key {signature.key}, which you do not trust")
    from cryptography.exceptions import InvalidSignature

    try:
        _public_key(public).verify(given, signature.message)
    except InvalidSignature:
        raise SignatureError(f"its signature is not by the key {signature.key} of {signature.publisher}") from None
    return Signer(kind, signature.publisher, signature.key)


def _verify_shared(signature: Signature, given: bytes, publishers: Publishers) -> Signer:
    secret = publishers.shared_secret
    if publishers.pinned(signature.publisher):
        raise SignatureError(f"{signature.publisher} signs with a key of its own, and this is signed with a shared secret")
    if secret is None:
        raise UntrustedError("it is signed with a shared secret, and none is kept here")
    if not hmac.compare_digest(hmac.digest(secret, signature.message, "sha256"), given):
        raise SignatureError("it is not signed with the shared secret that is kept here")
    return Signer("hmac", signature.publisher, signature.key)


@lru_cache(maxsize=256)
def _public_key(public: bytes) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(public)


def difference(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """What changed between two sets of files, the first three by name."""
    told = [f"{name} changed" for name in sorted(before.keys() & now.keys()) if before[name] != now[name]]
    told += [f"{name} is new" for name in sorted(now.keys() - before.keys())]
    told += [f"{name} is gone" for name in sorted(before.keys() - now.keys())]
    return ", ".join(told[:3]) + (f" and {len(told) - 3} more" if len(told) > 3 else "")
