"""The environments of a project: which there are, making one, switching, comparing two, checking one."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hookspecs.errors import UserError
from nself_core.settings import edit, server
from nself_core.settings.check import looks_secret
from nself_core.settings.environment import ABOUT, CLASSES, FOLDER, STATE, class_of, normalise
from nself_core.settings.explain import mask, raw_shown
from nself_core.settings.problems import Problem
from nself_core.settings.provision import keep_out_of_git

if TYPE_CHECKING:
    from nself_core.settings.loading import LoadedSettings

_NOT_NAMES = frozenset({"local", "secrets", "example", "sample", "computed", "runtime", "production", "development", "stage"})


@dataclass(frozen=True, slots=True)
class Known:
    """An environment as ``nself env list`` shows it."""

    name: str
    cls: str
    current: bool
    files: tuple[str, ...]
    server: str
    """``user@host``, empty where it has none."""


def names(root: Path) -> list[str]:
    """Every environment that some file or folder makes: ``dev`` always, then by class and name."""
    found = {"dev"}
    for path in root.glob(".env.*"):
        name = path.name.removeprefix(".env.")
        if path.is_file() and name not in _NOT_NAMES and re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
            found.add(name)
    folder = root / FOLDER
    if folder.is_dir():
        found |= {p.name for p in folder.iterdir() if p.is_dir() and re.fullmatch(r"[a-z0-9][a-z0-9-]*", p.name)}
    return sorted(found, key=lambda name: (CLASSES.index(name) if name in CLASSES else len(CLASSES), name))


def known(root: Path, current: str) -> list[Known]:
    """The environments with their files."""
    from nself_core.settings.cascade import labels

    found = []
    for name in names(root):
        files = tuple(label for label, kind in labels(name) if kind != "machine" and (root / label).is_file())
        at = server.read(root, name)
        where = (f"{at.user}@" if at.user else "") + at.host if at and at.host else ""
        found.append(Known(name, class_of(root, name), name == current, files, where))
    return found


def require(root: Path, name: str, where: str = "") -> str:
    """The canonical name of an environment that there is; ``UserError`` names those there are. ``where``: what asks for it."""
    clean = normalise(name, where)
    there = names(root)
    if clean not in there:
        raise UserError(
            f"there is no environment {clean}",
            where=where,
            remedy=f"nself env create {clean} --like staging, or one of: {', '.join(there)}",
            code="environment-unknown",
        )
    return clean


def switch(root: Path, name: str) -> str:
    """Make an environment the one in force on this machine. Only our own state is written, never a file of the user's."""
    from nself_core.render.atomic import write_atomically
    from nself_core.workspace import make_state

    clean = require(root, name)
    make_state(root / STATE.parent)
    write_atomically(root / STATE, (json.dumps({"environment": clean}) + "\n").encode(), 0o644)
    return clean


def create(root: Path, name: str, like: str) -> list[str]:
    """Make ``.environments/<name>/`` like a class or another environment; returns the files made.

    Like another environment: its settings and server are copied, its secrets are not.
    """
    clean = normalise(name)
    folder = root / FOLDER / clean
    if clean in names(root) and (clean != "dev" or folder.exists()):
        raise UserError(f"there is an environment {clean} already", where=f"{FOLDER}/{clean}", code="environment-exists")
    model = normalise(like)
    cls = model if model in CLASSES else class_of(root, require(root, model))
    contents = {
        ".env": _settings_of(root, model) or _settings_for(clean, cls),
        ".env.secrets": f"# Secrets of {clean}. Keep them out of git; nself build adds those it can make.\n",
        server.FILE: _server_of(root, model, clean, cls),
    }
    if clean not in CLASSES:
        contents[ABOUT] = json.dumps({"like": cls}) + "\n"
    try:
        for file, content in contents.items():
            edit.write(folder / file, content, mode=0o600 if file == ".env.secrets" else 0o644)
        keep_out_of_git(root)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return [f"{FOLDER}/{clean}/{file}" for file in contents]


def _settings_of(root: Path, name: str) -> str:
    for label in (f"{FOLDER}/{name}/.env", f".env.{name}"):
        text = edit.text_of(root / label)
        if text is not None:
            return edit.remove(text, frozenset({"ENV"}))
    return ""


def _settings_for(name: str, cls: str) -> str:
    domain = "localhost" if cls == "dev" else f"{name}.example.com"
    level = {"dev": "debug", "staging": "info"}.get(cls, "warn")
    return (
        f"# Settings of {name}. They come over .env.dev, which every environment starts from; see nself config list --all.\n"
        f"BASE_DOMAIN={domain}\nLOG_LEVEL={level}\n"
    )


def _server_of(root: Path, model: str, name: str, cls: str) -> str:
    kind = {"dev": "local", "prod": "production"}.get(cls, cls)
    at = server.read(root, model) or server.Server(port=22)
    made = datetime.now(UTC).isoformat(timespec="seconds")
    host = "localhost" if cls == "dev" else ""
    return server.text(
        server.Server(
            name=name,
            type=at.type or kind,
            host=host,
            port=at.port,
            user=at.user,
            key=at.key or "~/.ssh/id_ed25519",
            deploy_path=at.deploy_path or "/opt/nself",
            project_subdir=at.project_subdir,
            created_at=made,
        )
    )


@dataclass(slots=True)
class Difference:
    """What two environments say differently: name → (in the first, in the second); secrets masked."""

    different: dict[str, tuple[str, str]] = field(default_factory=dict)
    only_first: dict[str, str] = field(default_factory=dict)
    only_second: dict[str, str] = field(default_factory=dict)
    server: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return len(self.different) + len(self.only_first) + len(self.only_second) + len(self.server)


def compare(first: LoadedSettings, second: LoadedSettings) -> Difference:
    """Compare what the files of two environments give, after the cascade."""
    out = Difference()
    one, two = _given(first), _given(second)
    for name in sorted({*one, *two} - {"ENV"}):
        if name not in two:
            out.only_first[name] = _shown(first, name, one[name])
        elif name not in one:
            out.only_second[name] = _shown(second, name, two[name])
        elif one[name] != two[name]:
            out.different[name] = (_shown(first, name, one[name]), _shown(second, name, two[name]))
    a = server.read(first.root, first.in_force.name) or server.Server()
    b = server.read(second.root, second.in_force.name) or server.Server()
    here, there = a.comparable(), b.comparable()
    out.server = {key: (here[key], there[key]) for key in here if here[key] != there[key]}
    return out


def _given(loaded: LoadedSettings) -> dict[str, str]:
    return {name: loaded.merged.values.get(name, entry.raw) for name, entry in loaded.merged.winners.items()}


def _shown(loaded: LoadedSettings, name: str, value: str) -> str:
    declared = loaded.declarations.find(name)
    secret = declared.secret if declared else looks_secret(name)
    if name not in loaded.merged.values:  # ${} in it is not set
        return raw_shown(loaded.merged.winners[name], secret)
    return mask(value, secret)


def check(loaded: LoadedSettings, *, strict: bool = False) -> list[Problem]:
    """Everything ``env validate`` says of an environment: what loading found, its server, its secrets file."""
    found = list(loaded.problems)
    found += _server_problems(loaded)
    domain = loaded.domain
    if loaded.in_force.cls == "prod" and re.search(r"(^|\.)(localhost|local|test|invalid)$", domain):
        where = loaded.checked.values["BASE_DOMAIN"]
        place = f"{where.source}:{where.line}" if where.line else where.source
        found.append(Problem("error", f"BASE_DOMAIN {domain} is reached by nobody outside", place, "BASE_DOMAIN"))
    if loaded.in_force.cls == "prod" and not (loaded.root / FOLDER / loaded.in_force.name / ".env.secrets").exists():
        made = f"nself secrets generate --env {loaded.in_force.name}"
        found.append(Problem("warning", f"{FOLDER}/{loaded.in_force.name}/.env.secrets is not there yet", remedy=made))
    worse: dict[str, Any] = {"secrets-mode": "error"}
    out = []
    for p in found:
        level = worse.get(p.code, "error" if strict and p.level == "warning" else p.level)
        out.append(Problem(level, p.message, p.where, p.variable, p.remedy, p.code))
    order = {"error": 0, "warning": 1, "note": 2}
    return sorted(out, key=lambda p: order[p.level])


def _server_problems(loaded: LoadedSettings) -> list[Problem]:
    name = loaded.in_force.name
    label = f"{FOLDER}/{name}/{server.FILE}"
    try:
        at = server.read(loaded.root, name)
    except UserError as error:
        return [Problem("error", error.message, error.where, remedy=error.remedy, code=error.code)]
    if at is None or at.type == "local":
        return []
    if not at.host:
        return [Problem("note", "host is empty: the environment is deployed nowhere yet", label, code="server-host")]
    if at.key and not Path(at.key).expanduser().is_file():
        return [Problem("warning", f"the key {at.key} is not there", label, remedy="name another, or make it", code="server-key")]
    return []
