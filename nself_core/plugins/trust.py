"""What a plugin's state is, settled from its files as they are now, before any of its code is imported.

Nothing here is remembered between runs: each run hashes every file and checks the signature again.
"""

from __future__ import annotations

import json
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nself_core.plugins.discovery import OUR_FOLDER
from nself_core.plugins.manifest import MANIFEST
from nself_core.plugins.model import Found, State

if TYPE_CHECKING:
    from nself_core.plugins.allowed import Allowed
    from nself_core.plugins.hashing import Files
    from nself_core.plugins.publishers import Publishers
    from nself_core.plugins.revocations import Revocations
    from nself_core.plugins.signing import Signer


class Verdict(NamedTuple):
    """A state and, where the plugin may not be imported, why. ``files`` is what the loader must find again, byte for byte."""

    state: State
    reason: str = ""
    remedy: str = ""
    files: Files | None = None
    signer: Signer | None = None


class Trust:
    """What this home believes: its permissions, publishers and revocations. Read, and imported, when first asked."""

    def __init__(self, home: Path) -> None:
        self._home = home

    @cached_property
    def allowed(self) -> Allowed:
        from nself_core.plugins.allowed import Allowed

        return Allowed(self._home)

    @cached_property
    def publishers(self) -> Publishers:
        from nself_core.plugins.publishers import Publishers

        return Publishers(self._home)

    @cached_property
    def revocations(self) -> Revocations:
        from nself_core.plugins.revocations import Revocations

        return Revocations(self._home)

    def judge(self, found: Found) -> Verdict:
        """The plugin's state now."""
        if found.source == "core":  # its files are looked at when its code is about to be imported: ``loading``
            return Verdict(State.CORE if in_wheel() else State.DEVELOPMENT)
        if found.source == "linked":
            return Verdict(State.DEVELOPMENT)
        if found.source == "project":
            return self._judge_project(found)
        from nself_core.plugins.signing import SignatureError

        try:
            return self._judge_files(found)
        except (SignatureError, OSError, ValueError) as error:
            return Verdict(State.MODIFIED, f"it cannot be verified: {error}", _again(found))

    def judge_ours(self, found: Found) -> Verdict:
        """The state of a built-in, with all its files held against the release's signed list; a checkout has none."""
        from nself_core.release import verify_release
        from nself_core.signed_list import ListError

        if not in_wheel():
            return Verdict(State.DEVELOPMENT)
        try:
            return Verdict(State.CORE, files=verify_release(found.folder))
        except ListError as error:
            return Verdict(State.MODIFIED, str(error), "install nself again from where you had it")

    def plausible(self, found: Found) -> bool:
        """Whether there is anything to judge: a signature, or permission. No state; it costs one look at the disk."""
        if found.source in {"core", "linked"} or os.path.exists(os.path.join(found.folder, "signature.json")):  # noqa: PTH110, PTH118
            return True
        return bool(self.allowed.records(found.name))

    def _judge_files(self, found: Found) -> Verdict:
        from nself_core.plugins.hashing import scan
        from nself_core.plugins.signing import SIGNATURE, UntrustedError, parse, verify

        files, kept = scan(found.folder, compiled=found.source == "entry-point")
        if MANIFEST not in kept or json.loads(kept[MANIFEST]) != found.manifest:
            # An index, which nobody signs, must not speak for a plugin.
            reason = f"the index of plugins says something else than its {MANIFEST}"
            return Verdict(State.MODIFIED, reason, "remove the folder `cache` of nself's home")
        signature = parse(kept[SIGNATURE]) if SIGNATURE in kept else None
        key = signature.key if signature else ""
        if revoked := self.revocations.reason(found.full_name, found.manifest["version"], key):
            return Verdict(State.REVOKED, f"it was revoked: {revoked}", f"nself plugin update {found.name}")
        if signature is None:
            return self._unsigned(found, files, "nobody has signed it")
        try:
            signer = verify(signature, found.manifest, files, self.publishers)
        except UntrustedError as error:
            return self._unsigned(found, files, str(error))
        return Verdict(State(signer.kind), files=files, signer=signer)

    def _judge_project(self, found: Found) -> Verdict:
        """A project's own file: allowed in this folder as it is now, or not."""
        from nself_core.plugins.project_file import FILE

        remedy = f"read {found.folder}/{FILE}, then nself plugin allow {found.name}"
        records = self.allowed.records(found.name, found.folder)
        try:
            files = files_of(found)
        except (OSError, ValueError) as error:
            return Verdict(State.MODIFIED, f"it cannot be verified: {error}", remedy)
        if any(record["files"] == files for record in records):
            return Verdict(State.ALLOWED, files=files)
        if records:
            return Verdict(State.MODIFIED, f"{FILE} is not as you allowed it", remedy)
        return Verdict(State.UNSIGNED, f"you have not allowed this project's {FILE} on this machine", remedy)

    def _unsigned(self, found: Found, files: Files, why: str) -> Verdict:
        """Not vouched for by a key: what counts is whether the user allowed these very files."""
        remedy = f"nself plugin allow {found.name}"
        records = self.allowed.records(found.name)
        if not records:
            return Verdict(State.UNSIGNED, f"{why} and you have not allowed it", remedy)
        if any(record["files"] == files for record in records):
            return Verdict(State.ALLOWED, files=files)
        from nself_core.plugins.signing import difference

        same = [record for record in records if record["folder"] == found.folder] or records
        what = difference(same[-1]["files"], files)
        return Verdict(State.MODIFIED, f"its files are not those you allowed: {what}", f"look at the change, then {remedy}")


def files_of(found: Found) -> dict[str, str]:
    """The hashes of a plugin's files; ``ValueError`` where there is something that nobody can vouch for."""
    if found.source == "project":
        from nself_core.plugins.project_file import files

        return dict(files(found.folder))
    from nself_core.plugins.hashing import hash_files

    return hash_files(found.folder, compiled=found.source == "entry-point")


def _again(found: Found) -> str:
    return f"nself plugin install {found.name} --force" if found.source == "store" else "install it again from where it came"


def in_wheel() -> bool:
    """Whether this nself is built as a release and no source checkout."""
    return os.path.isfile(os.path.join(os.path.dirname(OUR_FOLDER), "nself_core", "_release.py"))  # noqa: PTH113, PTH118, PTH120
