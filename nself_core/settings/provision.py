"""Making the secrets that are missing and that only services share, and keeping them in the environment's secrets file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from hookspecs.errors import UserError
from nself_core.settings import edit, strength
from nself_core.settings.cascade import OVER_SECRETS, secrets_path
from nself_core.settings.environment import FOLDER

if TYPE_CHECKING:
    from nself_core.settings.loading import LoadedSettings

_HEAD = "# Secrets of this environment. Keep them out of git.\n"


def provision(root: Path, environment: str, wanted: Mapping[str, int]) -> None:
    """Add a generated value for each wanted secret (name → length in characters) to the environment's secrets file, 0600."""
    store(root, environment, {name: strength.made(length) for name, length in sorted(wanted.items())})


def store(root: Path, environment: str, values: Mapping[str, str]) -> Path:
    """Write secrets into the environment's secrets file (0600), in place where they stand there already."""
    path = secrets_path(root, environment)
    text = edit.text_of(path)
    new = _HEAD if text is None else text
    for name, value in values.items():
        new = edit.assign(new, name, value)
    keep_out_of_git(root)
    edit.write(path, new, mode=0o600)
    return path


def overrides(loaded: LoadedSettings, name: str) -> str:
    """The source above the environment's secrets file that gives a secret, ``""`` where none does."""
    winner = loaded.merged.winners.get(name)
    return winner.where if winner is not None and winner.source in OVER_SECRETS else ""


def keep_out_of_git(root: Path) -> None:
    """See that git never takes a secrets file: ``.environments/.gitignore``, unless the user has one there."""
    ignore = root / FOLDER / ".gitignore"
    try:
        ignore.parent.mkdir(exist_ok=True)
        if not ignore.exists():
            ignore.write_text(".env.secrets\n", encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"cannot write in this folder: {error.strerror}",
            where=str(ignore.parent),
            remedy="mend its permissions",
            code="read-only",
        ) from error
