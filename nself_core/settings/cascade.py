"""The files of one environment's cascade, lowest first, and which of them count.

``.env.dev``, ``.env.<env>``, ``.env.secrets``, ``.environments/<env>/.env``, ``.environments/<env>/.env.secrets``,
``.env.local``, ``.env``; the process environment comes above them all. ``.env`` and ``.env.local`` are this machine's: they
count only where the environment in force is the one their ``ENV=`` names, but for ``PROJECT_NAME``, which always counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from nself_core.settings import dotenv
from nself_core.settings.environment import FOLDER, InForce, named_in
from nself_core.settings.problems import Problem

Kind = Literal["base", "shared", "secrets", "machine"]

#: What counts from ``.env`` and ``.env.local`` whatever the environment.
ALWAYS = frozenset({"PROJECT_NAME"})

#: What stands above the secrets file of an environment.
OVER_SECRETS = frozenset({".env", ".env.local", "environment"})


class Layer(NamedTuple):
    """One file of the cascade as read.

    ``left_out`` says why nothing but ``PROJECT_NAME`` counts; empty where the file counts in full.
    """

    file: dotenv.DotenvFile
    kind: Kind
    left_out: str = ""

    @property
    def label(self) -> str:
        return self.file.label


class Cascade(NamedTuple):
    """The layers of one environment, lowest first, with what was found while reading them."""

    in_force: InForce
    layers: tuple[Layer, ...]
    problems: tuple[Problem, ...] = ()


def secrets_path(root: Path, environment: str) -> Path:
    """Where the secrets of an environment are kept (0600)."""
    return root / FOLDER / environment / ".env.secrets"


def labels(environment: str) -> list[tuple[str, Kind]]:
    """The files of an environment relative to the project's root, lowest first."""
    found: list[tuple[str, Kind]] = [(".env.dev", "base")]
    if environment != "dev":
        found.append((f".env.{environment}", "shared"))
    found += [
        (".env.secrets", "secrets"),
        (f"{FOLDER}/{environment}/.env", "shared"),
        (f"{FOLDER}/{environment}/.env.secrets", "secrets"),
        (".env.local", "machine"),
        (".env", "machine"),
    ]
    return found


def read(root: Path, in_force: InForce, environ: Mapping[str, str]) -> Cascade:
    """Read the cascade. Faults of the files are told in ``problems``; a file that is not there is simply absent."""
    layers: list[Layer] = []
    problems: list[Problem] = []
    parsed = [(found, kind) for label, kind in labels(in_force.name) if (found := dotenv.read(root / label, label))]
    machine = next((file for file, _ in parsed if file.label == ".env"), None)
    named = (named_in(machine, environ) if machine else None) or ("dev", "")
    for file, kind in parsed:
        reason = ""
        if kind == "machine":
            own = named_in(file, environ) or named
            if own[0] != in_force.name:
                reason = f"it is for {own[0]}, and {in_force.name} is in force"
                problems += _notice(file, reason, in_force.name)
        layers.append(Layer(file, kind, reason))
        problems += [p for p in file.problems if not reason or p.level == "error"]
    problems += [p for file, kind in parsed if kind == "secrets" for p in _open_to_others(root / file.label, file.label)]
    problems += _misnamed(root)
    return Cascade(in_force, tuple(layers), tuple(problems))


def _notice(file: dotenv.DotenvFile, reason: str, environment: str) -> list[Problem]:
    others = {line.name for line in file.lines} - ALWAYS - {"ENV"}
    if not others:
        return []
    message = f"{file.label} is left out but for PROJECT_NAME: {reason}"
    remedy = f"put settings that {environment} should have into .env.{environment} or {FOLDER}/{environment}/.env"
    return [Problem("note", message, file.label, remedy=remedy, code="env-left-out")]


def _open_to_others(path: Path, label: str) -> list[Problem]:
    try:
        mode = path.stat().st_mode & 0o777
    except OSError:
        return []
    if not mode & 0o077:
        return []
    message = f"others on this machine may read it (mode {mode:o})"
    return [Problem("warning", message, label, remedy=f"chmod 600 {label}", code="secrets-mode")]


def _misnamed(root: Path) -> list[Problem]:
    """Files that look like part of the cascade and are read by nothing."""
    found = []
    for wrong, right in ((".env.production", ".env.prod"), (".env.development", ".env.dev"), (".env.stage", ".env.staging")):
        if (root / wrong).is_file():
            found.append(Problem("warning", f"{wrong} is not read", wrong, remedy=f"rename it to {right}", code="env-misnamed"))
    return found
