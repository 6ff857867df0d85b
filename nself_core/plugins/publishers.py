"""Whose signatures count in this home: publishers the user trusts, the home's own keys, a team's shared secret.

``publishers.json`` pins each publisher's name to its keys. A plugin whose manifest names that publisher is believed only
when one of these keys signed it, and a key vouches for its own publisher's plugins and for no other's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path

from hookspecs.errors import UserError
from nself_core.plugins import keys
from nself_core.plugins.files import write_private
from nself_core.plugins.signing import Kind, key_id

#: nself's own name as a publisher: its keys come with the program and cannot be added by hand.
OURS = "nself"


class Publishers:
    """What ``nself plugin trust`` keeps, read when first asked.

    ``ours``: the public keys of nself's own plugins, those the release carries.
    """

    def __init__(self, home: Path, ours: Callable[[], Mapping[str, bytes]] | None = None) -> None:
        self._home = home
        self._place = home / "publishers.json"
        self._ours = ours or release_keys

    @cached_property
    def trusted(self) -> Mapping[str, Mapping[str, bytes]]:
        """Publisher → key id → public key."""
        try:
            stored = json.loads(self._place.read_bytes())
            named = {
                str(name): {key_id(public): public for public in map(keys.parse_public, texts)}
                for name, texts in stored["publishers"].items()
            }
        except FileNotFoundError:
            named = {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, UserError) as error:
            raise UserError(
                f"the list of trusted publishers cannot be read ({error})",
                where=str(self._place),
                remedy="remove the file and trust each publisher anew with `nself plugin trust add`",
            ) from None
        named.pop(OURS, None)
        return {**named, OURS: self._ours()}

    @cached_property
    def own(self) -> Mapping[str, Mapping[str, bytes]]:
        """The same of this home's own keys."""
        return keys.own_keys(self._home)

    @cached_property
    def shared_secret(self) -> bytes | None:
        return keys.shared_secret(self._home)

    def key(self, publisher: str, wanted: str) -> tuple[Kind, bytes | None]:
        """The public key of that id which counts for the publisher, and what a signature by it is worth."""
        public = self.trusted.get(publisher, {}).get(wanted)
        if public is not None:
            return "signed", public
        return "local", self.own.get(publisher, {}).get(wanted)

    def pinned(self, publisher: str) -> bool:
        """Whether the publisher is known by keys, so that nothing else speaks for it."""
        return bool(self.trusted.get(publisher))

    def add(self, publisher: str, public: bytes, *, also: bool = False) -> None:
        """Trust a publisher's key. ``UserError`` where the name is pinned to another key, unless ``also``."""
        if keys.check_publisher(publisher) == OURS:
            raise UserError(f"the keys of {OURS} come with the program", code="publisher-ours", exit_code=2)
        there = self.trusted.get(publisher, {})
        if there and key_id(public) not in there and not also:
            raise UserError(
                f"{publisher} is trusted by another key: {', '.join(there)}",
                remedy=f"if {publisher} told you that it changed: nself plugin trust remove {publisher}, or --also to keep both",
                code="publisher-pinned",
            )
        self._save({**self.trusted, publisher: {**there, key_id(public): public}})

    def remove(self, publisher: str) -> bool:
        """Trust a publisher no longer; whether it was."""
        if publisher == OURS or publisher not in self.trusted:
            return False
        self._save({name: known for name, known in self.trusted.items() if name != publisher})
        return True

    def _save(self, trusted: Mapping[str, Mapping[str, bytes]]) -> None:
        named = {
            name: sorted(keys.public_text(public) for public in known.values()) for name, known in trusted.items() if name != OURS
        }
        write_private(self._place, json.dumps({"format": 1, "publishers": named}, indent=1, sort_keys=True) + "\n")
        self.__dict__.pop("trusted", None)


def release_keys() -> Mapping[str, bytes]:
    """The keys nself's own plugins are signed with in a release; none in a source checkout."""
    from nself_core.release import public_key

    public = public_key()
    return {} if public is None else {key_id(public): public}
