"""Typing the merged values and checking each: everything wrong is found in one pass."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nself_core.settings import strength, unknown
from nself_core.settings.cascade import OVER_SECRETS
from nself_core.settings.coerce import InvalidError, coerce
from nself_core.settings.declared import Declarations, Declared, fill
from nself_core.settings.environment import InForce
from nself_core.settings.expand import BadReferenceError, expand
from nself_core.settings.fold import Entry, generic_name
from nself_core.settings.merge import Merged
from nself_core.settings.naming import project_name_from
from nself_core.settings.problems import Problem

if TYPE_CHECKING:
    from hookspecs.models.settings import SettingValue

_GENERIC_TYPES = {"_REPLICAS": "int", "_MEMORY_LIMIT": "size", "_CPU_LIMIT": "float", "_IMAGE": "image"}
_SECRET_WORDS = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|(^|_)KEY(_|$)|CREDENTIAL|PRIVATE")


class Typed(NamedTuple):
    """A typed value and where it came from; ``source`` also ``default`` or ``generated``."""

    value: Any
    source: str
    line: int | None = None
    secret: bool = False
    provided: bool = False

    def model(self, name: str, owner: str = "") -> SettingValue:
        """As plugins get it."""
        from hookspecs.models.settings import Origin, SettingValue

        origin = Origin(source=self.source, line=self.line)
        value = None if self.secret else self.value
        return SettingValue(name=name, value=value, origin=origin, secret=self.secret, provided=self.provided, owner=owner)


@dataclass(slots=True)
class Checked:
    """The typed settings, the secrets, and what was found."""

    values: dict[str, Typed] = field(default_factory=dict)
    generic: dict[str, Typed] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    to_be_made: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def check(root: Path, in_force: InForce, declarations: Declarations, merged: Merged) -> Checked:
    """Type and check everything that was merged, then fill in defaults and find what is missing."""
    return _Checker(root, in_force, declarations, merged).run()


def looks_secret(name: str) -> bool:
    """Whether an undeclared name promises a secret: its value is masked wherever it is shown."""
    return bool(_SECRET_WORDS.search(name))


class _Checker:
    def __init__(self, root: Path, in_force: InForce, declarations: Declarations, merged: Merged) -> None:
        self.root = root
        self.in_force = in_force
        self.declarations = declarations
        self.merged = merged
        self.out = Checked()
        self.invalid: set[str] = set()

    def run(self) -> Checked:
        strangers: list[Entry] = []
        for name, entry in self.merged.winners.items():
            declared = self.declarations.find(name)
            if declared is not None:
                self._declared(name, declared, entry)
            elif generic_name(name) == name:
                self._generic(name, entry)
            else:
                strangers.append(entry)
        self._fixed()
        self._defaults()
        self._missing()
        self._forwarded(strangers)
        self._unread()
        return self.out

    # -- values ------------------------------------------------------------------------------------------------------

    def _declared(self, name: str, declared: Declared, entry: Entry) -> None:
        if declared.refused:
            self._say("error", f"{entry.spelling} is refused: {declared.refused}", entry, name, "setting-refused")
            return
        text = self.merged.values.get(name)
        if text is None:  # ${} could not be replaced: told already
            self.invalid.add(name)
            return
        if declared.secret:
            self._secret(name, declared, entry, text)
            return
        value = self._typed(declared, text, entry, name)
        if value is not None:
            self.out.values[name] = Typed(value, entry.source, entry.line, False, True)
            self._told_in_plain(name, entry)

    def _typed(self, declared: Declared, text: str, entry: Entry, name: str) -> Any:
        try:
            return coerce(declared, text, lambda what: self._say("note", f"{entry.spelling} {what}", entry, name, "setting-form"))
        except InvalidError as error:
            self.invalid.add(name)
            said = f"{entry.spelling}: {error}"
            self._say("error", said, entry, name, "setting-invalid", error.remedy)
            return None

    def _generic(self, name: str, entry: Entry) -> None:
        text = self.merged.values.get(name)
        if text is None:
            return
        end = next(end for end in _GENERIC_TYPES if name.endswith(end))
        declared = Declared(name, "core", _GENERIC_TYPES[end], minimum=0 if end == "_REPLICAS" else None)
        value = self._typed(declared, text, entry, name)
        if value is not None:
            self.out.generic[name] = Typed(value, entry.source, entry.line, False, True)

    def _secret(self, name: str, declared: Declared, entry: Entry, text: str) -> None:
        if text == "":
            return
        try:
            coerce(declared, text)
        except InvalidError as error:
            self.invalid.add(name)
            self._say("error", f"{entry.spelling}: {error}", entry, name, "setting-invalid", error.remedy)
            return
        self.out.secrets[name] = text
        self.out.values[name] = Typed(None, entry.source, entry.line, True, True)
        shared = declared.generate is not None
        least = declared.strength if declared.strength is not None else strength.default_strength(name) if shared else 0
        weak = strength.weakness(text, least)
        if weak and self._is_on(declared, name) and not declared.unused:
            level = "warning" if self.in_force.cls == "dev" else "error"
            remedy = f"put a stronger one into {self._secrets_file()}"
            if shared and entry.source in OVER_SECRETS:
                remedy = f"take it out of {entry.source}, as nself makes one where there is none; or write a stronger one there"
            elif shared:
                remedy = f"nself secrets rotate {name}"
            self._say(level, f"{entry.spelling} is weak: it {weak}", entry, name, "secret-weak", remedy)

    def _told_in_plain(self, name: str, entry: Entry) -> None:
        secret = sorted(
            other
            for other in self.merged.tainted.get(name, ())
            if (found := self.declarations.find(other)) is not None and found.secret
        )
        if secret:
            message = f"{entry.spelling} is no secret but holds {', '.join(secret)}: generated files will show it"
            self._say("warning", message, entry, name, "secret-in-plain")

    # -- what always is ----------------------------------------------------------------------------------------------

    def _fixed(self) -> None:
        name = self.out.values.get("PROJECT_NAME")
        if name is None or not name.value:
            made = project_name_from(self.root.name)
            self.out.values["PROJECT_NAME"] = Typed(made, "default")
            if "PROJECT_NAME" not in self.invalid:
                message = f"PROJECT_NAME is not set; {made} is made from the folder's name"
                remedy = f"write PROJECT_NAME={made} into .env.dev"
                self.out.problems.append(Problem("note", message, "", "PROJECT_NAME", remedy, "setting-default"))
        winner = self.merged.winners.get("ENV")
        source, line = (winner.source, winner.line) if winner else (self.in_force.chosen_by, None)
        self.out.values["ENV"] = Typed(self.in_force.name, source, line, False, winner is not None)

    def _defaults(self) -> None:
        for declared in self.declarations:
            name = declared.name
            if declared.numbered or name in self.out.values or declared.secret or declared.refused:
                continue
            text = declared.default_for(self.in_force.cls)
            if text is None:
                continue
            if "${" in text:
                try:
                    text = expand(text, self._text_of, lambda _: None)
                except BadReferenceError:
                    continue
            value = coerce(declared, text)
            if value is not None:
                self.out.values[name] = Typed(value, "default")
        if "BASE_DOMAIN" not in self.out.values:
            self.out.values["BASE_DOMAIN"] = Typed("localhost", "default")
            if "BASE_DOMAIN" not in self.invalid and "BASE_DOMAIN" not in self.merged.winners:
                message = f"BASE_DOMAIN is not set for {self.in_force.name}"
                remedy = f"write BASE_DOMAIN=example.com into .env.{self.in_force.name}"
                self.out.problems.append(Problem("error", message, "", "BASE_DOMAIN", remedy, "setting-missing"))

    def _text_of(self, name: str) -> str | None:
        known = self.merged.values.get(name)
        if known is None:
            typed = self.out.values.get(name)
            known = None if typed is None or typed.value is None else str(typed.value)
        if known is None:
            declared = self.declarations.find(name)
            known = declared.default_for(self.in_force.cls) if declared else None
        return known

    # -- what is missing ---------------------------------------------------------------------------------------------

    def _missing(self) -> None:
        for declared in self.declarations:
            name = declared.name
            if declared.numbered or name in self.invalid or declared.unused or declared.refused:
                continue
            have = self.out.secrets.get(name) if declared.secret else self.out.values.get(name)
            wanted = self._is_on(declared, name) or (declared.secret and name in self.merged.referenced)
            if have is not None or not wanted:
                continue
            if declared.secret and declared.generate:
                self._tell_uncounted(declared, "note", "a new one is made and kept")
                self.out.to_be_made[name] = declared.generate
                self.out.secrets[name] = strength.TO_BE_MADE
                self.out.values[name] = Typed(None, "generated", None, True, False)
            elif declared.required:
                told = declared.secret and self._tell_uncounted(declared, "error", f"set it in {self._secrets_file()}")
                if not told:
                    message = f"{name} is not set: {declared.help.rstrip('.')}"
                    place = self._secrets_file() if declared.secret else f".env.{self.in_force.name}"
                    remedy = f"write {name}=… into {place}"
                    self.out.problems.append(Problem("error", message, "", name, remedy, "setting-missing"))
            elif declared.secret:
                level = "warning" if self.in_force.cls == "dev" else "error"
                self._tell_uncounted(declared, level, f"set it in {self._secrets_file()}")

    def _tell_uncounted(self, declared: Declared, level: Any, what: str) -> bool:
        """Tell of a secret that only ``.env.dev`` gives, outside dev."""
        for candidate in self.merged.candidates.get(declared.name, ()):
            if candidate.ignored and candidate.entry.raw and self.in_force.cls != "dev" and candidate.entry.source == ".env.dev":
                message = f"{declared.name} is given by .env.dev alone, which does not count in {self.in_force.name}"
                if level == "note":
                    message += f"; {what}"
                    what = ""
                self._say(level, message, candidate.entry, declared.name, "secret-from-dev", what)
                return True
        return False

    def _is_on(self, declared: Declared, name: str) -> bool:
        """Whether the switch that a setting depends on is on; ``|`` separates switches of which one is enough."""
        if declared.when is None:
            return True
        found = self.declarations.meanings(name)
        groups = found[0].groups if found else ()
        return any(self._switch(fill(switch.strip(), groups)) for switch in declared.when.split("|"))

    def _switch(self, name: str) -> bool:
        typed = self.out.values.get(name)
        if typed is not None:
            return bool(typed.value)
        text = self.merged.values.get(name)
        declared = self.declarations.find(name)
        if text is None and declared is not None:
            text = declared.default_for(self.in_force.cls)
        if text is None:
            return False
        try:
            return bool(coerce(declared, text)) if declared else bool(text)
        except InvalidError:
            return False

    def _secrets_file(self) -> str:
        return f".environments/{self.in_force.name}/.env.secrets"

    # -- what nobody reads -------------------------------------------------------------------------------------------

    def _forwarded(self, strangers: list[Entry]) -> None:
        """Variables nobody declares: those that a list of names hands on count as known, the rest is told."""
        handed_on: set[str] = set()
        for name, typed in self.out.values.items():
            declared = self.declarations.find(name)
            if declared is not None and declared.forwards and isinstance(typed.value, list):
                handed_on |= set(typed.value)
        for entry in strangers:
            text = self.merged.values.get(entry.name)
            if entry.name in handed_on:
                if text is None:
                    continue
                secret = looks_secret(entry.name) or entry.source.endswith(".env.secrets")
                if secret:
                    self.out.secrets[entry.name] = text
                value = None if secret else text
                self.out.values[entry.name] = Typed(value, entry.source, entry.line, secret, True)
            elif entry.name not in self.merged.referenced:
                self.out.problems.append(unknown.problem(entry, text or "", self.declarations))

    def _unread(self) -> None:
        for name, entry in self.merged.winners.items():
            declared = self.declarations.find(name)
            if declared is None or declared.refused or name in self.merged.referenced or entry.spelling in self.merged.referenced:
                continue
            if declared.unused:
                message = f"{entry.spelling} is known but read by nothing here: {declared.unused}"
                self._say("note", message, entry, name, "setting-unused")
            elif declared.when is not None and not self._is_on(declared, name):
                switches = declared.when.replace("|", " or ")
                message = f"{entry.spelling} is read by nothing while {switches} is off"
                self._say("note", message, entry, name, "setting-off")

    def _say(self, level: Any, message: str, entry: Entry, name: str, code: str, remedy: str = "") -> None:
        self.out.problems.append(Problem(level, message, entry.where, name, remedy, code))
