"""Private keys of a registry: PEM files (PKCS #8, ed25519) that their owner alone may read, outside of version control."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.signer import CryptoSigner, SSlibKey

from hookspecs.errors import UserError

_TEXT = "ed25519:"


class KeyRing:
    """The keys that can sign here: those of a folder, where new ones go too, and of other folders and files."""

    def __init__(self, folder: Path, others: Iterable[Path] = ()) -> None:
        self.folder = folder
        found = [signer for place in (folder, *others) for signer in _found(place)]
        self._signers = {signer.public_key.keyid: signer for signer in found}

    def signer(self, keyid: str) -> CryptoSigner | None:
        return self._signers.get(keyid)

    def generate(self, name: str) -> SSlibKey:
        """Make a key and keep it as ``<name>.pem``. ``UserError`` where there is one: it is never overwritten."""
        refuse_git(self.folder)
        signer = CryptoSigner.generate_ed25519()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        place = self.folder / f"{name}.pem"
        try:
            handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise UserError(
                f"there is a key {name} already", where=str(place), remedy="move it away, or name another folder with --keys",
                code="key-there",
            ) from None  # fmt: skip
        with os.fdopen(handle, "wb") as file:
            file.write(signer.private_bytes)
        public: SSlibKey = signer.public_key
        place.with_suffix(".pub").write_text(public_text(public) + "\n", encoding="utf-8")
        self._signers[public.keyid] = signer
        return public


def load(place: Path) -> CryptoSigner:
    """The key in a file; ``UserError`` where it is none or others may read it."""
    try:
        if place.stat().st_mode & 0o077:
            raise UserError("others can read this key", where=str(place), remedy=f"chmod 600 {place}", code="key-open")
        key = load_pem_private_key(place.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"the key cannot be read: {error}", where=str(place), code="key-broken") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UserError("this is no ed25519 key", where=str(place), code="key-broken")
    return CryptoSigner(key)


def public_text(key: SSlibKey) -> str:
    """A public key as people pass it on: ``ed25519:<Base64>``."""
    return _TEXT + base64.b64encode(bytes.fromhex(key.keyval["public"])).decode()


def public_key(text: str) -> SSlibKey:
    """The key behind that text, or in the file it names; ``UserError`` where it is none."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    given = text.strip()
    if not given.startswith(_TEXT):
        try:
            given = Path(text).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, ValueError):
            given = ""
    try:
        raw = base64.b64decode(given.removeprefix(_TEXT), validate=True)
        if not given.startswith(_TEXT):
            raise ValueError(text)
        return SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(raw))
    except ValueError:
        raise UserError(
            f"{text[:60]!r} is no public key",
            remedy="give ed25519:… or a .pub file that holds it",
            code="key-broken",
            exit_code=2,
        ) from None


def refuse_git(folder: Path) -> None:
    """``UserError`` where a folder lies in a git working tree: private keys never enter version control."""
    for place in (folder.absolute(), *folder.absolute().parents):
        if (place / ".git").exists():
            raise UserError(
                f"the keys would lie in the git working tree {place}", where=str(folder),
                remedy="name a folder elsewhere with --keys; by default it is below nself's home", code="key-git",
            )  # fmt: skip


def _found(place: Path) -> Iterator[CryptoSigner]:
    if place.is_file():
        yield load(place)
    elif place.is_dir():
        yield from (load(file) for file in sorted(place.glob("*.pem")))


def plugin_key_id(text: str) -> str:
    """The id by which plugins' signatures name a public key: the first half of the SHA-256 of its bytes."""
    return hashlib.sha256(bytes.fromhex(public_key(text).keyval["public"])).hexdigest()[:32]
