"""A list of file hashes under one ed25519 signature: what vouches for a release's own files and for its embedded registry.

What is signed is DSSE's pre-authentication encoding of the canonical JSON of everything but the signature, as for plugins.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nself_core.plugins.keys import parse_public, public_text
from nself_core.plugins.signing import SigningKey, canonical, pre_authentication_encoding

PAYLOAD_TYPE = "application/vnd.nself.files+json"
MAX_BYTES = 16_000_000


class ListError(Exception):
    """A list that is not what it should be, or files that are not those of the list; the reason in words for the user."""


@dataclass(frozen=True, slots=True)
class SignedList:
    """The hashes of files and the key that vouches for them."""

    key: bytes
    """The 32 bytes of the public key."""
    files: Mapping[str, str]
    """Relative POSIX path to SHA-256 in hexadecimal."""
    official: bool = False
    """Whether the project's own release key signed it, and no key made for one build."""

    @property
    def message(self) -> bytes:
        """The bytes that are signed."""
        content = {"format": 1, "key": public_text(self.key), "official": self.official, "files": dict(self.files)}
        return pre_authentication_encoding(PAYLOAD_TYPE, canonical(content))

    def below(self, folder: str) -> dict[str, str]:
        """The part of the list below a folder, its paths relative to that folder."""
        names = sorted(self.files)  # they come sorted, so that this costs next to nothing
        start, end = bisect_left(names, f"{folder}/"), bisect_left(names, f"{folder}0")  # in ASCII, 0 follows the slash
        cut = len(folder) + 1
        return {name[cut:]: self.files[name] for name in names[start:end]}


def write(path: Path, files: Mapping[str, str], key: SigningKey, *, official: bool = False) -> SignedList:
    """Sign a list and write it to ``path``."""
    made = SignedList(key.public, files, official)
    signature = base64.b64encode(key.sign(made.message)).decode()
    content = {"format": 1, "key": public_text(key.public), "official": official, "files": files, "signature": signature}
    path.write_text(json.dumps(content, indent=0, sort_keys=True) + "\n", encoding="utf-8")
    return made


def read(path: Path, key: bytes | None = None) -> SignedList:
    """A list whose signature holds; ``ListError`` where it does not, or where another key than ``key`` made it."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from hookspecs.errors import UserError

    try:
        if path.stat().st_size > MAX_BYTES:
            raise ListError(f"{path.name} is larger than {MAX_BYTES} bytes")
        content = json.loads(path.read_bytes())
        if content["format"] != 1:
            raise ListError(f"{path.name} is of format {content['format']!r}, and this nself knows format 1")
        files = {str(name): str(digest) for name, digest in content["files"].items()}
        found = SignedList(parse_public(content["key"]), files, content["official"] is True)
        Ed25519PublicKey.from_public_bytes(found.key).verify(base64.b64decode(content["signature"], validate=True), found.message)
    except InvalidSignature:
        raise ListError(f"the signature of {path.name} does not hold") from None
    except OSError as error:
        raise ListError(f"{path.name} cannot be read: {(error.strerror or str(error)).lower()}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, UserError):
        raise ListError(f"{path.name} is not of the form it should have") from None
    if key is not None and found.key != key:
        raise ListError(f"{path.name} is signed by another key than the one that counts here")
    return found


def hash_tree(root: Path, names: Iterable[str]) -> dict[str, str]:
    """The SHA-256 of files, and of every file below folders, that ``names`` gives relative to ``root``; no compiled ones."""
    hashes = {}
    for name in names:
        place = root / name
        files = [place] if place.is_file() else [Path(where) / file for where, _, found in os.walk(place) for file in found]
        for file in files:
            if "__pycache__" not in file.parts and file.suffix != ".pyc":
                hashes[file.relative_to(root).as_posix()] = hashlib.sha256(file.read_bytes()).hexdigest()
    return dict(sorted(hashes.items()))
