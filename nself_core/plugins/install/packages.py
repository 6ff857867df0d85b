"""Resolve, lock by hash and install the packages that plugins require, through pip."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from hookspecs.errors import UserError
from nself_core.plugins.pip import run_pip
from nself_core.plugins.shared import CURRENT, LOCK
from nself_core.plugins.sources.model import Release

Say = Callable[[str], None]
#: In an environment of a plugin's own: what it was made for.
_REQUIRES = "requires.json"
_CONFLICT = re.compile(r"^\s+(\S+) (\S+) depends on (.+)$", re.M)
_CONSTRAINT = re.compile(r"^\s+The user requested \(constraint\) (\S+)$", re.M)


def shared_set(place: Path, releases: Sequence[Release], staging: Path, say: Say) -> str | None:
    """The folder of the set that meets what these plugins require; ``None`` where nself's own packages already do.

    The set in use stays where it meets them: to take a plugin away asks no index.
    """
    own = _own_versions()
    texts = [text for one in releases for text in one.manifest["requires"]]
    if all(_met(text, own) for text in texts):
        return None
    used = _in_use(place)
    if used is not None and all(_met(text, {**_locked_versions(used), **own}) for text in texts):
        return str(used)
    say(f"resolving what {_and([one.name for one in releases])} require")
    locked = _resolve(releases, staging / "shared", own)
    return str(_install(place, [line for line in locked if _name(line) not in own], staging / "shared", say))


def environment(place: Path, release: Release, staging: Path, say: Say) -> str:
    """The folder of an environment with what one plugin requires, sharing nothing with nself's own.

    The one in use stays as long as the plugin requires the same, whatever is newer by then.
    """
    asked = json.dumps(sorted(release.manifest["requires"]))
    used = _in_use(place)
    if used is not None and (used / _REQUIRES).is_file() and (used / _REQUIRES).read_text(encoding="utf-8") == asked:
        return str(used)
    say(f"resolving what {release.name} requires")
    work = staging / f"own-{release.name}"
    locked = _resolve([release], work, {})
    target = place / _digest(locked)
    if target.is_dir():
        (target / _REQUIRES).write_text(asked, encoding="utf-8")
        return str(target)
    say(f"installing {len(locked)} packages for {release.name}")
    # Not moved afterwards: an environment knows its own place. Until the link leads to it, it counts for nothing.
    shutil.rmtree(target, ignore_errors=True)
    unfinished = place / f"{target.name}.unfinished"
    _run([sys.executable, "-m", "venv", "--without-pip", "--clear", str(unfinished)], f"an environment for {release.name}")
    lock = _write_lock(unfinished, locked)
    (unfinished / _REQUIRES).write_text(asked, encoding="utf-8")
    python = str(unfinished / "bin" / "python")
    _pip(["--python", python, "install", "--require-hashes", "--no-deps", "-r", str(lock)], f"what {release.name} requires")
    unfinished.rename(target)
    _mend_scripts(unfinished, target)
    return str(target)


def _in_use(place: Path) -> Path | None:
    """The folder that the link leads to."""
    link = place / CURRENT
    return link.resolve() if link.is_dir() else None


def _locked_versions(folder: Path) -> dict[str, str]:
    """Name → version of the packages in a set."""
    lines = (folder / LOCK).read_text(encoding="utf-8").splitlines()
    return {_name(line): line.partition("==")[2].split()[0] for line in lines}


def _resolve(releases: Sequence[Release], work: Path, own: dict[str, str]) -> list[str]:
    """Lines ``name==version --hash=…`` of one set that meets them all, sorted.

    Each plugin is given to pip as a wheel without content that requires what the plugin does, so pip's own account of a
    conflict names the plugins.
    """
    work.mkdir(parents=True, exist_ok=True)
    stubs = [_stub(one, work) for one in releases]
    constraints = work / "constraints.txt"
    constraints.write_text("".join(f"{name}=={version}\n" for name, version in sorted(own.items())), encoding="utf-8")
    report = work / "report.json"
    command = [
        "install", "--dry-run", "--ignore-installed", "--only-binary", ":all:", "--report", str(report),
        "-c", str(constraints), *map(str, stubs),
    ]  # fmt: skip
    done = run_pip(command)
    if done.returncode:
        raise _unmet(done.stdout + done.stderr, releases)
    stub_names = {canonicalize_name(f"nself-plugin-{one.name}") for one in releases}
    return sorted(_locked(item) for item in json.loads(report.read_bytes())["install"] if _item_name(item) not in stub_names)


def _install(place: Path, locked: list[str], work: Path, say: Say) -> Path:
    target = place / _digest(locked)
    if target.is_dir():
        return target
    say(f"installing {len(locked)} packages that plugins share")
    folder = work / "set"
    folder.mkdir(parents=True)
    lock = _write_lock(folder, locked)
    if locked:
        _pip(
            ["install", "--require-hashes", "--no-deps", "--no-compile", "--target", str(folder), "-r", str(lock)],
            "the packages that plugins share",
        )
    place.mkdir(parents=True, exist_ok=True)
    return folder.rename(target)


def _stub(release: Release, folder: Path) -> Path:
    package = f"nself_plugin_{release.name.replace('-', '_')}"
    info = f"{package}-{release.version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {package.replace('_', '-')}\nVersion: {release.version}\n"
    metadata += "".join(f"Requires-Dist: {Requirement(text)}\n" for text in release.manifest["requires"])
    wheel = folder / f"{package}-{release.version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{info}/METADATA", metadata)
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: nself\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return wheel


def _unmet(said: str, releases: Sequence[Release]) -> UserError:
    lines = [f"{name.removeprefix('nself-plugin-')} {version} requires {what}" for name, version, what in _CONFLICT.findall(said)]
    lines += [f"nself itself has {what}" for what in _CONSTRAINT.findall(said)]
    errors = [line.removeprefix("ERROR: ") for line in said.splitlines() if line.startswith("ERROR: ")]
    if not lines:
        asks = "; ".join(f"{one.name} requires {', '.join(one.manifest['requires'])}" for one in releases)
        return UserError(
            f"what plugins require cannot be had: {errors[0] if errors else 'pip failed'}", where=asks, code="packages"
        )
    return UserError(
        f"what plugins require cannot be met together: {'; '.join(dict.fromkeys(lines))}",
        remedy="uninstall one of them, or install a version that agrees",
        code="packages-conflict",
    )


def _own_versions() -> dict[str, str]:
    """What nself's own environment holds: name → version."""
    from importlib.metadata import distributions

    found = {canonicalize_name(one.metadata["Name"]): one.version for one in distributions() if one.metadata["Name"]}
    return {name: version for name, version in found.items() if name != "nself" and not name.startswith("nself-plugin-")}


def _met(text: str, own: dict[str, str]) -> bool:
    wanted = Requirement(text)
    if wanted.marker is not None and not wanted.marker.evaluate():
        return True
    version = own.get(canonicalize_name(wanted.name))
    return version is not None and not wanted.extras and wanted.specifier.contains(version, prereleases=True)


def _item_name(item: dict[str, Any]) -> str:
    return canonicalize_name(item["metadata"]["name"])


def _locked(item: dict[str, Any]) -> str:
    hashes = item["download_info"]["archive_info"]["hashes"]
    return f"{_item_name(item)}=={item['metadata']['version']} --hash=sha256:{hashes['sha256']}"


def _name(line: str) -> str:
    return line.partition("==")[0]


def _digest(locked: list[str]) -> str:
    return hashlib.sha256("\n".join(locked).encode()).hexdigest()[:24]


def _write_lock(folder: Path, locked: list[str]) -> Path:
    place = folder / LOCK
    place.write_text("".join(f"{line}\n" for line in locked), encoding="utf-8")
    return place


def _mend_scripts(before: Path, after: Path) -> None:
    """Programs of an environment begin with the path of its Python, which has just been renamed."""
    for script in (after / "bin").iterdir():
        if script.is_symlink() or not script.is_file():
            continue
        data = script.read_bytes()
        if str(before).encode() in data:
            script.write_bytes(data.replace(str(before).encode(), str(after).encode()))


def _pip(arguments: list[str], what: str) -> None:
    done = run_pip(arguments)
    if done.returncode:
        errors = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise UserError(f"{what} could not be installed: {errors[0] if errors else 'pip failed'}", code="packages")


def _run(command: list[str], what: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it failed"])[-1]
        raise UserError(f"{what} could not be made: {last}", code="packages")


def _and(names: list[str]) -> str:
    return ", ".join(names[:-1]) + (f" and {names[-1]}" if len(names) > 1 else names[-1])
