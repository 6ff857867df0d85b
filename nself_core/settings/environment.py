"""Which environment is in force, and which of the three classes one behaves like.

In force: ``--env``, then ``NSELF_ENV``, then what ``nself env switch`` recorded, then ``ENV=`` in ``.env``, then ``dev``.
The class: by name, else by the ``like`` that ``nself env create NAME --like`` recorded, else ``staging``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from hookspecs.errors import UserError

if TYPE_CHECKING:
    from nself_core.settings.dotenv import DotenvFile

EnvironmentClass = Literal["dev", "staging", "prod"]
CLASSES: tuple[EnvironmentClass, ...] = ("dev", "staging", "prod")

#: Other spellings of the three names.
SPELLINGS = {
    "development": "dev",
    "develop": "dev",
    "devel": "dev",
    "local": "dev",
    "stage": "staging",
    "production": "prod",
}
FOLDER = ".environments"
STATE = Path(".nself") / "environment.json"
"""What ``nself env switch`` chose; this machine's, never in git."""
ABOUT = "environment.json"
"""In ``.environments/<name>/``: what the environment is like; shared by everyone."""

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?\Z")


class InForce(NamedTuple):
    """The environment, its class, and what chose it (``--env``, ``NSELF_ENV``, ``nself env switch``, ``.env:3``, ``default``)."""

    name: str
    cls: EnvironmentClass
    chosen_by: str


def normalise(name: str, where: str = "") -> str:
    """The canonical name of an environment: ``Production`` is ``prod``. ``UserError`` for what can be no name."""
    clean = name.strip().lower()
    clean = SPELLINGS.get(clean, clean)
    if not _NAME.match(clean):
        raise UserError(
            f"{name!r} is no name of an environment",
            where=where,
            remedy="use lower-case letters, digits and inner hyphens, at most 30: dev, staging, prod, qa-2",
            code="environment-name",
        )
    return clean


def class_of(root: Path, name: str) -> EnvironmentClass:
    """The class of an environment: its name, else what it was created like, else ``staging``."""
    if name in CLASSES:
        return name
    like = _read_json(root / FOLDER / name / ABOUT).get("like")
    return next((known for known in CLASSES if known == like), "staging")


def in_force(root: Path, *, env: str | None, environ: Mapping[str, str]) -> InForce:
    """The environment in force for this project."""
    name, by = _choose(root, env, environ)
    return InForce(name, class_of(root, name), by)


def _choose(root: Path, env: str | None, environ: Mapping[str, str]) -> tuple[str, str]:
    if env:
        return normalise(env, "--env"), "--env"
    for variable in ("NSELF_ENV", "TARGET_ENV"):  # the second is the original's spelling
        if environ.get(variable):
            return normalise(environ[variable], variable), variable
    switched = switched_to(root)
    if switched:
        return switched, "nself env switch"
    named = named_by(root / ".env", ".env", environ)
    return named if named else ("dev", "default")


def named_by(path: Path, label: str, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """The environment that a file's ``ENV=`` names, and where it stands; ``None`` where it names none."""
    from nself_core.settings import dotenv

    parsed = dotenv.read(path, label)
    return named_in(parsed, environ) if parsed else None


def named_in(parsed: DotenvFile, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """As ``named_by``, of a parsed file. ``${X}`` in it is replaced from the process environment."""
    from nself_core.settings.expand import expand_plain

    line = parsed.last("ENV")
    if line is None:
        return None
    value = line.value if line.literal else expand_plain(line.value, environ)
    where = f"{parsed.label}:{line.line}"
    return (normalise(value, where), where) if value.strip() else None


def switched_to(root: Path) -> str | None:
    """What ``nself env switch`` recorded."""
    name = _read_json(root / STATE).get("environment")
    return normalise(name, str(STATE)) if isinstance(name, str) and name else None


def _read_json(path: Path) -> dict[str, object]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except NotADirectoryError:
        return {}
    except OSError as error:
        raise UserError(
            f"cannot be read: {error.strerror}",
            where=str(path),
            remedy="run nself as the user who owns the project",
            code="state",
        ) from error
    except ValueError as error:
        raise UserError(f"cannot be read: {error}", where=str(path), remedy="mend it, or delete it", code="state") from error
    return data if isinstance(data, dict) else {}
