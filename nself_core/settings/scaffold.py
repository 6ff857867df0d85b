"""The files of a new project, written all or none."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from hookspecs.errors import UserError
from nself_core.settings import edit
from nself_core.settings.declared import Declarations, Declared
from nself_core.settings.environment import FOLDER

if TYPE_CHECKING:
    from types import TracebackType

#: What git must not take: this machine's settings, secrets, and what is made or stored by running.
IGNORED = (".env", ".env.local", ".env.*.local", ".env.secrets", ".nself/", "node_modules/", "__pycache__/", "*.log", ".DS_Store")
#: Any of these says that there is a project already.
TAKEN = (".env", ".env.dev", FOLDER)


@dataclass
class Wish:
    """What a new project shall be."""

    name: str
    domain: str = "localhost"
    settings: dict[str, str] = field(default_factory=dict)
    """More variables for ``.env.dev``, in order."""
    demo: bool = False


def files(wish: Wish, declarations: Declarations) -> dict[str, str]:
    """The files of a project by path, secrets apart."""
    made = {".env.dev": _shared(wish)}
    if wish.demo:
        for name in ("dev", "staging", "prod"):
            made[f".env.{name}"] = _demo(name).replace("{name}", wish.name).replace("{domain}", wish.domain)
    made[".env"] = (
        "# This machine's own settings. Git ignores this file; shared settings stand in .env.dev.\n"
        "# Which environment this machine works in:\nENV=dev\n"
    )
    made[".env.example"] = example(declarations)
    return made


def _shared(wish: Wish) -> str:
    text = (
        f"# Settings that everyone who works on {wish.name} shares. They hold in every environment.\n"
        "# What can be set: .env.example. Which file a value comes from: nself config explain NAME\n\n"
    )
    for name, value in {"PROJECT_NAME": wish.name, "BASE_DOMAIN": wish.domain, **wish.settings}.items():
        text = edit.assign(text, name, value)
    return text


def _demo(name: str) -> str:
    """A file of the demo project, which the built-in plugins bring."""
    spec = find_spec("builtin_plugins")
    for folder in spec.submodule_search_locations or () if spec else ():
        path = Path(folder) / "demo" / f"{name}.txt"
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise UserError("the demo project is not part of this installation", remedy="install nself again")


def example(declarations: Iterable[Declared]) -> str:
    """``.env.example``: every setting that something reads, with its help and default, by plugin."""
    owners: dict[str, list[Declared]] = {}
    for declared in declarations:
        if not declared.unused and not declared.refused and declared.name != "ENV":
            owners.setdefault(declared.owner, []).append(declared)
    lines = ["# Every setting, with its default. Copy what you change into .env.dev (shared) or .env (this machine)."]
    for owner in sorted(owners, key=lambda owner: (owner != "core", owner)):
        lines += ["", f"# ---- {owner} " + "-" * max(0, 90 - len(owner)), ""]
        for declared in owners[owner]:
            lines += [f"# {declared.help}{_remarks(declared)}", f"# {declared.name}={_sample(declared)}"]
    return "\n".join(lines) + "\n"


def _sample(declared: Declared) -> str:
    if declared.secret:
        return ""
    value = declared.default if declared.default is not None else declared.defaults.get("dev", declared.example)
    return edit.quote(value) if value else ""


def _remarks(declared: Declared) -> str:
    remarks = []
    if declared.secret:
        remarks.append("Secret; made when it is missing." if declared.generate else "Secret; given by you.")
    if declared.choices:
        remarks.append(f"One of {', '.join(declared.choices)}.")
    for cls, value in declared.defaults.items():
        if cls != "dev":
            remarks.append(f"{cls}: {value or 'empty'}.")
    return "".join(f" {remark}" for remark in remarks)


class Scaffold:
    """Writes files and takes everything back where the block it guards fails."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.written: list[str] = []
        self.saved: dict[Path, tuple[bytes, int]] = {}
        self._made: list[Path] = []

    def __enter__(self) -> Scaffold:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            return
        for path, (content, mode) in self.saved.items():
            path.write_bytes(content)
            path.chmod(mode)
        for path in reversed(self._made):
            if path.is_dir():
                if not any(path.iterdir()):
                    path.rmdir()
            else:
                path.unlink(missing_ok=True)
        finish(self.root)
        _forget_state(self.root / ".nself")

    def write(self, label: str, text: str, mode: int = 0o644) -> None:
        """Write a file of the project; an old one is kept in mind until all is done."""
        path = self.root / label
        self.note(path)
        edit.write(path, text, mode=mode)
        self.written.append(label)

    def note(self, path: Path) -> None:
        """Remember how a path stands now, so that it can be taken back."""
        for folder in reversed(path.parents):
            if self.root in {folder, *folder.parents} and not folder.exists() and folder not in self._made:
                self._made.append(folder)
        if path.exists():
            self.saved.setdefault(path, (path.read_bytes(), path.stat().st_mode & 0o777))
        elif path not in self._made:
            self._made.append(path)

    def ignore(self) -> None:
        """Add what is missing to ``.gitignore``; what stands there stays."""
        path = self.root / ".gitignore"
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        there = {line.strip() for line in text.splitlines()}
        missing = [entry for entry in IGNORED if entry not in there]
        if missing:
            head = text if not text or text.endswith("\n") else text + "\n"
            self.write(".gitignore", head + ("\n" if head else "") + "# nself\n" + "\n".join(missing) + "\n")


_UNFINISHED = Path(".nself") / "init-unfinished"


def begin(root: Path, labels: Iterable[str]) -> None:
    """Note which files are about to be made, so that the next run can take back what a killed one left."""
    from nself_core.workspace import make_state

    make_state(root / ".nself")
    edit.write(root / _UNFINISHED, "".join(f"{label}\n" for label in labels if not (root / label).exists()))


def finish(root: Path) -> None:
    """All is written, or all is taken back."""
    (root / _UNFINISHED).unlink(missing_ok=True)


def _forget_state(state: Path) -> None:
    """Remove the state folder where nothing is kept in it: it would make the folder a project."""
    ignore = state / ".gitignore"
    if state.is_dir() and list(state.iterdir()) == [ignore]:
        ignore.unlink()
        state.rmdir()


def take_back(root: Path) -> list[str]:
    """Remove what an interrupted run had made; returns the files."""
    note = root / _UNFINISHED
    if not note.is_file():
        return []
    gone = [label for label in note.read_text(encoding="utf-8").splitlines() if (root / label).is_file()]
    for label in gone:
        (root / label).unlink()
    for folder in (root / FOLDER / "dev", root / FOLDER):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    note.unlink()
    return gone


def keep_old(root: Path) -> Path | None:
    """Copy the settings files of an existing project aside before ``--force`` replaces them; the folder they went to."""
    old = [path for path in sorted(root.glob(".env*")) if path.is_file()]
    if not old:
        return None
    folder = root / ".nself" / "replaced" / datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    folder.mkdir(parents=True, mode=0o700)
    ignore = root / ".nself" / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", encoding="utf-8")
    for path in old:
        copy = folder / path.name
        copy.write_bytes(path.read_bytes())
        copy.chmod(0o600)
    return folder


def require_free(root: Path, *, force: bool) -> None:
    """``UserError`` where the folder holds a project already, or cannot be written."""
    taken = [name for name in TAKEN if (root / name).exists()]
    if taken and not force:
        raise UserError(
            f"there is a project here already: {', '.join(taken)}",
            where=str(root),
            remedy="nself build goes on with it; nself init --force starts anew and keeps a copy of the old settings",
            code="project-exists",
        )
    if not os.access(root, os.W_OK | os.X_OK):
        raise UserError("this folder cannot be written", where=str(root), remedy="mend its permissions", code="read-only")


def switches(manifests: Iterable[Mapping[str, object]]) -> list[tuple[str, str]]:
    """What the wizard can turn on: the switch of each optional plugin, with the plugin's line."""
    found: list[tuple[str, str]] = []
    for manifest in manifests:
        if manifest.get("category") not in {"optional", "monitoring", "tool"}:
            continue
        settings = manifest.get("settings")
        for setting in settings if isinstance(settings, list) else ():
            switch = setting["name"].endswith("_ENABLED") and setting.get("type") == "bool"
            off = setting.get("default") == "false"
            if switch and off and not any(setting.get(key) for key in ("unused", "refused", "when")):
                found.append((setting["name"], str(setting["help"])))
                break
    return found
