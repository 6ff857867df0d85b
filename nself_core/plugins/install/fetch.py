"""Fetch the wheels of a plan, several at once, unpack them aside and hold each to what its source said of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hookspecs.errors import UserError
from nself_core.plugins.hashing import total
from nself_core.plugins.install.catalogue import Catalogue
from nself_core.plugins.install.plan import Plan, Step
from nself_core.plugins.install.unpack import UnpackError, unpack
from nself_core.plugins.manifest import MANIFEST, ManifestError, check_whole, read
from nself_core.plugins.model import Found, State
from nself_core.plugins.trust import Trust, Verdict

#: Downloads at a time.
AT_ONCE = 4

Progress = Callable[[str, int], None]
"""Called with a plugin's name and the number of bytes that came."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A plugin ready to be moved into the store (or, a folder of the user's, to be linked)."""

    step: Step
    folder: Path
    verdict: Verdict

    @property
    def hash(self) -> str:
        """``total`` of its files; empty for a linked folder."""
        return total(self.verdict.files) if self.verdict.files is not None else ""


def fetch(catalogue: Catalogue, plan: Plan, staging: Path, trust: Trust, *, unsigned: bool, progress: Progress) -> list[Fetched]:
    """Everything of the plan, verified; the first fault of any plugin is a ``UserError`` and nothing has changed.

    ``unsigned``: the user permits, by naming them, plugins that nobody signed.
    """

    def one(step: Step) -> Fetched:
        into = staging / "wheels" / step.release.name
        into.mkdir(parents=True)
        wheel = catalogue.download(step.release, into, lambda more: progress(step.release.name, more))
        return _checked(step, wheel, staging / "new" / step.release.name, trust, plan.hashes, unsigned)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = [pool.submit(one, step) for step in plan.steps]
        try:
            return [each.result() for each in running]
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _checked(step: Step, wheel: Path, into: Path, trust: Trust, hashes: Mapping[str, str], unsigned: bool) -> Fetched:
    release = step.release
    linked = release.registry == "folder"
    try:
        folder = wheel if linked else unpack(wheel, into)
        manifest = read(str(folder / MANIFEST))
        check_whole(manifest)
    except (UnpackError, ManifestError) as error:
        raise _refused(step, str(error)) from None
    module = f"nself_plugin_{release.name.replace('-', '_')}"
    if not linked and folder.name != module:
        raise _refused(step, f"its package is {folder.name}, not {module}")
    _check_promised(step, manifest)
    if manifest.get("hooks") and not (folder / "__init__.py").is_file():
        raise _refused(step, "its manifest lists hooks and it has no __init__.py")
    found = Found(release.name, "linked" if linked else "store", module, str(folder), "", manifest)
    verdict = trust.judge(found)
    if verdict.state is State.UNSIGNED and unsigned and step.asked and _may_be_unsigned(step):
        from nself_core.plugins.trust import files_of

        verdict = Verdict(State.ALLOWED, files=files_of(found))
    if not verdict.state.runnable:
        raise _refused(step, verdict.reason, _remedy(step, verdict))
    wanted = hashes.get(release.name)
    if wanted and verdict.files is not None and wanted != total(verdict.files):
        raise _refused(step, "its files are not those that plugins.lock was written for", "if that is meant: install it by name")
    return Fetched(step, folder, verdict)


def _check_promised(step: Step, manifest: Mapping[str, Any]) -> None:
    promised = step.release.manifest
    if promised and manifest != promised:
        names = sorted(key for key in {*manifest, *promised} if manifest.get(key) != promised.get(key))
        raise _refused(step, f"its manifest is not the one its source vouches for: {', '.join(names)}")


def _may_be_unsigned(step: Step) -> bool:
    """What a registry offers is signed, always; who strips a signature must not get past with a switch meant for others."""
    return step.release.registry in {"wheel", "pypi"}


def _remedy(step: Step, verdict: Verdict) -> str:
    if verdict.state is not State.UNSIGNED:
        return "do not use it; tell its publisher" if verdict.state is State.MODIFIED else ""
    if step.release.publisher and "do not trust" in verdict.reason:
        return f"nself plugin trust add {step.release.publisher} KEY, with the key that {step.release.publisher} publishes"
    return "if you know what is in it: --allow-unsigned" if _may_be_unsigned(step) and step.asked else ""


def _refused(step: Step, reason: str, remedy: str = "") -> UserError:
    named = f"{step.release.full_name} {step.release.version}"
    return UserError(f"{named} is refused: {reason}", where=step.release.registry, remedy=remedy, code="plugin-refused")
