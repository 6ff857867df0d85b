"""``nself config set``: which file a setting goes to, and whether its value may stand there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hookspecs.errors import UserError
from nself_core.settings import edit, strength
from nself_core.settings.cascade import labels, secrets_path
from nself_core.settings.coerce import InvalidError, coerce
from nself_core.settings.expand import references
from nself_core.settings.fold import generic_name
from nself_core.settings.provision import store
from nself_core.settings.unknown import nearest

if TYPE_CHECKING:
    from nself_core.settings.declared import Declared
    from nself_core.settings.loading import LoadedSettings


@dataclass(frozen=True, slots=True)
class Target:
    """Where a setting will be written, by its canonical name."""

    name: str
    label: str
    secret: bool


def target(loaded: LoadedSettings, written: str, *, file: str | None = None, force: bool = False) -> Target:
    """The file that a variable belongs into. ``UserError`` for what is not known, refused, or in no file of the cascade."""
    meanings = loaded.declarations.meanings(written)
    if not meanings and not generic_name(written) and not force and written not in loaded.merged.referenced:
        near = nearest(written, loaded.declarations)
        remedy = f"did you mean {near}?" if near else "--force writes it all the same"
        raise UserError(f"{written} is not known", remedy=remedy, code="setting-unknown", exit_code=2)
    declared = meanings[0].declared if meanings else None
    name = meanings[0].name if meanings else generic_name(written) or written
    if declared is not None and declared.refused:
        raise UserError(f"{name} is refused: {declared.refused}", code="setting-refused", exit_code=2)
    if name == "ENV":
        raise UserError("ENV says which environment this machine works in", remedy="nself env switch NAME", exit_code=2)
    secret = bool(declared and declared.secret)
    label = str(secrets_path(Path(), loaded.in_force.name)) if secret else _usual(loaded, name)
    if file is not None:
        known = [label for label, _ in labels(loaded.in_force.name)]
        if file not in known:
            remedy = f"one of {', '.join(known)}"
            raise UserError(f"{file} is no file of {loaded.in_force.name}", remedy=remedy, exit_code=2)
        if secret and not file.endswith(".env.secrets"):
            raise UserError(f"{name} is a secret: it is kept in a secrets file", remedy="leave --file out", exit_code=2)
        label = file
    return Target(name, label, secret)


def _usual(loaded: LoadedSettings, name: str) -> str:
    """The file that gives it now, unless every environment shares that one; else the environment's own."""
    environment = loaded.in_force.name
    winner = loaded.merged.winners.get(name)
    shared = environment != "dev" and winner is not None and winner.source == ".env.dev"
    if winner is not None and winner.line is not None and not shared:
        return winner.source
    own = f".environments/{environment}/.env"
    return own if (loaded.root / own).is_file() else f".env.{environment}"


def set_value(loaded: LoadedSettings, to: Target, value: str, *, refer: bool = False) -> None:
    """Write a value. ``UserError``, and nothing is written, where it does not fit the setting's type or is too weak."""
    declared = loaded.declarations.find(to.name)
    if not (refer and references(value)):
        _judge(loaded, declared, to, value)
    if to.secret and not refer and to.label == str(secrets_path(Path(), loaded.in_force.name)):
        store(loaded.root, loaded.in_force.name, {to.name: value})
        return
    path = loaded.root / to.label
    text = edit.text_of(path) or ""
    edit.write(path, edit.assign(text, to.name, value, refer=refer, spellings=_spellings(declared, to.name)), mode=_mode(to))


def unset(loaded: LoadedSettings, to: Target) -> list[str]:
    """Delete a variable, in every spelling, from the files of the environment that give it; returns those changed."""
    spellings = _spellings(loaded.declarations.find(to.name), to.name) | {to.name}
    changed = []
    for candidate in loaded.merged.candidates.get(to.name, ()):
        entry = candidate.entry
        if entry.line is None or candidate.ignored or (entry.source == ".env.dev" and loaded.in_force.name != "dev"):
            continue
        path = loaded.root / entry.source
        text = edit.text_of(path)
        if text is not None:
            edit.write(path, edit.remove(text, frozenset(spellings)))
            changed.append(entry.source)
    return changed


def _judge(loaded: LoadedSettings, declared: Declared | None, to: Target, value: str) -> None:
    if declared is None:
        return
    try:
        coerce(declared, value)
    except InvalidError as error:
        raise UserError(f"{to.name}: {error}", remedy=error.remedy, code="setting-invalid", exit_code=2) from None
    if not declared.secret or loaded.in_force.cls == "dev":
        return
    shared = declared.generate is not None
    least = declared.strength if declared.strength is not None else strength.default_strength(to.name) if shared else 0
    weak = strength.weakness(value, least)
    if weak:
        remedy = f"nself secrets rotate {to.name} makes a strong one" if shared else "give a stronger one"
        raise UserError(f"{to.name} is weak: it {weak}", remedy=remedy, code="secret-weak")


def _spellings(declared: Declared | None, name: str) -> frozenset[str]:
    """Plain other spellings, so that a line which uses one is changed and not contradicted."""
    if declared is None or declared.numbered:
        return frozenset()
    return frozenset(s.name for s in declared.aliases if not s.json_fields and not s.values)


def _mode(to: Target) -> int | None:
    return 0o600 if to.label.endswith(".env.secrets") else None
