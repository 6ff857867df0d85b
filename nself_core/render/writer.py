"""The writer: compares the Plan with the disk and writes what changed, all of it or nothing."""

from __future__ import annotations

import difflib
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from hookspecs.errors import UserError
from hookspecs.models.findings import Finding, Level
from nself_core.render.atomic import stage
from nself_core.render.plan import Planned
from nself_core.render.record import Record, digest_of


@dataclass
class Changes:
    """What a build would do: paths by kind, relative to the project's root."""

    create: list[Planned] = field(default_factory=list)
    update: list[Planned] = field(default_factory=list)
    mode: list[Planned] = field(default_factory=list)
    """Same content, other permissions."""
    delete: list[str] = field(default_factory=list)
    edited: list[str] = field(default_factory=list)
    """Generated files that somebody changed, or files of the user's in the way."""
    kept: list[str] = field(default_factory=list)

    @property
    def any(self) -> bool:
        return bool(self.create or self.update or self.delete or self.mode)

    @property
    def writes(self) -> list[Planned]:
        return [*self.create, *self.update]


def compare(root: Path, planned: Iterable[Planned], record: Record) -> Changes:
    """Compare the Plan with what stands in the project. Reads only."""
    changes = Changes()
    paths: set[str] = set()
    plain: set[Path] = {root}
    for item in planned:
        paths.add(item.path)
        target = root / item.path
        if target.is_symlink() or _leads_through_link(target.parent, plain):
            raise UserError(
                f"{item.path} leads through a symbolic link, so nself does not write there",
                remedy="replace the link with a folder or file of its own",
                code="symlink",
            )
        on_disk = digest_of(target)
        if item.once:
            _once(item, on_disk, record, changes)
        elif on_disk is None:
            changes.create.append(item)
        elif on_disk == item.digest:
            changes.kept.append(item.path)
            if target.stat().st_mode & 0o777 != item.mode:
                changes.mode.append(item)
        elif record.ours(item.path, on_disk) or target.stat().st_size == 0:  # a power cut may leave a new file empty
            changes.update.append(item)
        else:
            changes.edited.append(item.path)
            changes.update.append(item)
    for path in sorted(set(record.files) | set(record.pending)):
        if path in paths:
            continue
        on_disk = digest_of(root / path)
        if on_disk is not None and record.ours(path, on_disk):
            changes.delete.append(path)
    return changes


def _leads_through_link(folder: Path, plain: set[Path]) -> bool:
    """Whether a folder or one above it is a symbolic link. ``plain``: those known to be none, at first the root."""
    while folder not in plain:
        if folder.is_symlink():
            return True
        plain.add(folder)
        folder = folder.parent
    return False


def _once(item: Planned, on_disk: str | None, record: Record, changes: Changes) -> None:
    """A scaffold is made when it was never made before; what the user then removes stays removed."""
    if on_disk is None and item.path not in record.once:
        changes.create.append(item)
    else:
        changes.kept.append(item.path)


def apply(root: Path, state: Path, changes: Changes, planned: Sequence[Planned], record: Record, *, force: bool) -> Path | None:
    """Write the changes: everything is staged first, then renamed. Returns where edited files were saved, if any were.

    Without ``force`` edited files stop it, with nothing written.
    """
    if changes.edited and not force:
        raise UserError(
            "generated files were edited by hand; nothing was written",
            findings=[
                Finding(
                    level=Level.ERROR,
                    message="edited since the last build" if path in record.files else "exists and was not made by nself",
                    where=path,
                    remedy="move the change into the settings; `nself build --diff` shows it, `--force` saves a copy and goes on",
                    code="edited",
                )
                for path in changes.edited
            ],
            code="edited",
        )
    saved = _save_edited(root, state, changes.edited) if changes.edited else None
    staged: list[tuple[Path, Path]] = []
    made: set[Path] = set()
    target = root
    try:
        if changes.writes:
            hashes = {item.path: item.digest for item in changes.writes if not item.once}
            record.announce(state, hashes, [item.path for item in changes.writes])
        for item in changes.writes:
            target = root / item.path
            if target.parent not in made:
                target.parent.mkdir(parents=True, exist_ok=True, mode=0o700 if item.path.startswith(".nself/") else 0o755)
                made.add(target.parent)
            staged.append((stage(target, item.content, item.mode, sync=item.once), target))
        for source, target in staged:
            source.replace(target)
    except OSError as error:
        raise _disk_error(error, target) from error
    finally:
        for source, _ in staged:
            source.unlink(missing_ok=True)
    for item in changes.mode:
        (root / item.path).chmod(item.mode)
    for path in changes.delete:
        (root / path).unlink(missing_ok=True)
        _prune(root, (root / path).parent)
    record.files = {item.path: item.digest for item in planned if not item.once}
    record.once = sorted({*record.once, *(item.path for item in planned if item.once)})
    return saved


def diff(root: Path, changes: Changes) -> str:
    """A unified diff of every change; a file that holds secrets is shown masked, on both sides by its new form alone."""
    pieces: list[str] = []
    for item in sorted(changes.writes, key=lambda i: i.path):
        hides = item.shown.encode() != item.content
        before = "" if hides else _text(root / item.path)
        pieces += difflib.unified_diff(
            before.splitlines(keepends=True),
            item.shown.splitlines(keepends=True),
            f"a/{item.path}" if before else "/dev/null",
            f"b/{item.path}",
        )
        if hides:
            pieces.append(f"\\ {item.path} holds secrets: their values, and what stands there now, are not shown\n")
    pieces += [f"deleted: {path}\n" for path in changes.delete]
    return "".join(piece if piece.endswith("\n") else f"{piece}\n" for piece in pieces)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _save_edited(root: Path, state: Path, paths: Iterable[str]) -> Path:
    place = state / "edited" / datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    for path in paths:
        copy = place / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / path, copy)
    return place


def _prune(root: Path, folder: Path) -> None:
    """Remove folders that a deletion left empty."""
    while folder != root and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def _disk_error(error: OSError, target: Path) -> UserError:
    return UserError(
        f"could not write: {error.strerror or error}",
        where=str(target),
        remedy="free space or mend the permissions, then build again: it finishes what is left",
        code="write-failed",
    )
