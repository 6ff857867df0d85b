"""Merging the layers of a cascade and replacing ``${}``: which source wins for each setting, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from nself_core.settings import coerce
from nself_core.settings.cascade import ALWAYS, Cascade, Layer
from nself_core.settings.declared import AMBIENT, KNOWN_BY, Declarations
from nself_core.settings.environment import FOLDER, SPELLINGS
from nself_core.settings.expand import LONGEST, BadReferenceError, TooLongError, expand, references
from nself_core.settings.fold import Assignment, Entry, Folded, fold, generic_name
from nself_core.settings.problems import Problem
from nself_core.settings.strength import TO_BE_MADE

PROCESS = "environment"
"""The source of what the process environment gives."""


class Candidate(NamedTuple):
    """What one source says about a setting, and why it does not count (empty where it may)."""

    entry: Entry
    ignored: str = ""


@dataclass(slots=True)
class Merged:
    """The outcome, by canonical name."""

    candidates: dict[str, list[Candidate]] = field(default_factory=dict)
    """Lowest source first."""
    winners: dict[str, Entry] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    """The winners' text with ``${}`` replaced; without those that could not be."""
    tainted: dict[str, set[str]] = field(default_factory=dict)
    """Names a winner refers to, at any depth."""
    environ_used: dict[str, str] = field(default_factory=dict)
    referenced: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)


def merge(
    cascade: Cascade, declarations: Declarations, environ: Mapping[str, str], fixed: Mapping[str, str] | None = None
) -> Merged:
    """Fold each layer, merge them, take from the process environment what counts, and expand the winners.

    ``fixed``: what ``${}`` finds where no source says anything (the project's name made from its folder).
    """
    return _Merger(cascade, declarations, environ, fixed or {}).run()


class _Merger:
    def __init__(
        self, cascade: Cascade, declarations: Declarations, environ: Mapping[str, str], fixed: Mapping[str, str]
    ) -> None:
        self.fixed = fixed
        self.cascade = cascade
        self.declarations = declarations
        self.environ = environ
        self.out = Merged(problems=list(cascade.problems))
        self.unset: dict[str, list[Entry]] = {}
        self.open: list[str] = []
        self.done: dict[str, str | None] = {}

    def run(self) -> Merged:
        for layer in self.cascade.layers:
            assignments: list[Assignment] = [(line.name, line.value, line.line, line.literal) for line in layer.file.lines]
            self._take(self._fold(assignments, layer.label), layer)
        process: list[Assignment] = [
            (name, value, None, True) for name, value in self.environ.items() if self._counts_from_process(name)
        ]
        self._take(self._fold(process, PROCESS), None)
        self.out.environ_used.update({name: value for name, value, _, _ in process})
        for name, candidates in self.out.candidates.items():
            counted = [c.entry for c in candidates if not c.ignored]
            if counted:
                self.out.winners[name] = counted[-1]
        self._per_environment()
        for name in self.out.winners:
            value = self._value(name)
            if value is not None:
                self.out.values[name] = value
        if "ENV" in self.out.values:
            self.out.values["ENV"] = self.cascade.in_force.name
        self._tell_unset()
        return self.out

    # -- gathering ---------------------------------------------------------------------------------------------------

    def _fold(self, assignments: list[Assignment], source: str) -> Folded:
        def same(name: str, first: str, second: str) -> bool:
            return coerce.equal(self.declarations.find(name), first, second)

        return fold(assignments, source, self.declarations, expand=self._expand_early, same=same)

    def _take(self, folded: Folded, layer: Layer | None) -> None:
        left_out = layer.left_out if layer else ""
        if not left_out:
            self.out.problems += folded.problems
        for name, entry in folded.entries.items():
            candidate = Candidate(entry, self._ignored(name, entry, layer))
            if name == "ENV" and candidate.ignored and not left_out:
                self._tell_env(entry, "dev" if layer and layer.label == ".env.dev" else self.cascade.in_force.name)
            self.out.candidates.setdefault(name, []).append(candidate)

    def _tell_env(self, entry: Entry, own: str) -> None:
        """``ENV=`` counts in ``.env`` alone; elsewhere it is left out, and told where it does not name the file's own."""
        asked = entry.raw.strip().lower()
        if SPELLINGS.get(asked, asked) != own:
            message = f"ENV={entry.raw} counts in .env alone, and {self.cascade.in_force.name} is in force"
            remedy = f"nself env switch {asked}, or ENV={asked} in .env"
            self.out.problems.append(Problem("warning", message, entry.where, "ENV", remedy, "env-elsewhere"))

    def _ignored(self, name: str, entry: Entry, layer: Layer | None) -> str:
        if layer is None:
            return ""
        if layer.left_out and name not in ALWAYS:
            return layer.left_out
        if name == "ENV":
            return "" if layer.label == ".env" else "ENV counts in .env alone"
        declared = self.declarations.find(name)
        if declared is not None and declared.secret:
            if not entry.raw:
                return "a secret is not set by nothing"
            if layer.kind == "base" and self.cascade.in_force.cls != "dev":
                return "a secret of .env.dev does not count outside dev"
        return ""

    def _counts_from_process(self, name: str) -> bool:
        if self.declarations.wants_from_process(name):
            return True
        generic = generic_name(name)
        if generic is None or name in AMBIENT:
            return False
        service = generic.rsplit("_LIMIT", 1)[0].rsplit("_", 1)[0]
        return any(self.declarations.meanings(f"{service}{end}") for end in KNOWN_BY)

    # -- overrides for one environment ------------------------------------------------------------------------------

    def _per_environment(self) -> None:
        """``<NAME>_<ENV>_ROUTE`` and ``_PORT`` beat ``<NAME>_ROUTE`` and ``_PORT`` where that environment is in force."""
        names = {"DEV": "dev", "STAGING": "staging", "PROD": "prod", "PRODUCTION": "prod"}
        own = self.cascade.in_force.name.upper().replace("-", "_")
        names.setdefault(own, self.cascade.in_force.name)
        for name, entry in list(self.out.winners.items()):
            head, _, end = name.rpartition("_")
            service, _, environment = head.rpartition("_")
            if end not in {"PORT", "ROUTE"} or not service or environment not in names or self.declarations.meanings(name):
                continue
            meanings = self.declarations.meanings(f"{service}_{end}")
            if not meanings:
                continue
            del self.out.winners[name]
            counts = names[environment] == self.cascade.in_force.name
            ignored = "" if counts else f"it is for {names[environment]}, and {self.cascade.in_force.name} is in force"
            meant = entry._replace(name=meanings[0].name)
            self.out.candidates.setdefault(meant.name, []).append(Candidate(meant, ignored))
            if counts:
                self.out.winners[meant.name] = meant

    # -- ${} ---------------------------------------------------------------------------------------------------------

    def _value(self, name: str) -> str | None:
        """The expanded text of a winner; ``None`` where it cannot be had (a fault was noted)."""
        if name in self.done:
            return self.done[name]
        entry = self.out.winners[name]
        if name in self.open:
            circle = " → ".join([*self.open[self.open.index(name) :], name])
            self._fault(entry, f"{name} refers to itself: {circle}", "break the circle", "env-circle")
            return None
        self.open.append(name)
        try:
            value = self._expand_entry(entry)
        finally:
            self.open.pop()
        self.done[name] = value
        return value

    def _expand_entry(self, entry: Entry) -> str | None:
        if entry.literal or entry.expanded or "${" not in entry.raw:
            return entry.raw
        missing: list[str] = []
        names = references(entry.raw)
        try:
            value = expand(entry.raw, lambda name: self._look_up(name, entry), missing.append)
        except TooLongError:
            message = f"{entry.spelling} is longer than {LONGEST:,} characters once its ${{}} are replaced"
            self._fault(entry, message, "look at what it refers to", "env-too-long")
            return None
        except BadReferenceError as error:
            message = f"{error} in {entry.spelling} is not understood"
            remedy = "write ${NAME} or ${NAME:-plain text}; in single quotes nothing is replaced"
            self._fault(entry, message, remedy, "env-reference")
            return None
        taint = self.out.tainted.setdefault(entry.name, set())
        for name in names:
            canonical = self._canonical(name)
            taint |= {canonical} | self.out.tainted.get(canonical, set())
        self.out.referenced |= {*names, *map(self._canonical, names)}
        for name in missing:
            self.unset.setdefault(name, []).append(entry)
        return None if missing else value

    def _look_up(self, name: str, asking: Entry) -> str | None:
        if name not in AMBIENT and name in self.environ:
            self.out.environ_used[name] = self.environ[name]
            return self.environ[name]
        canonical = self._canonical(name)
        if canonical == asking.name:  # X=${X}: what the lower files say
            below = [c.entry for c in self.out.candidates[canonical] if not c.ignored and c.entry is not asking]
            return below[-1].raw if below and "${" not in below[-1].raw else None
        if canonical == "ENV":
            return self.cascade.in_force.name
        if canonical in self.out.winners:
            return self._value(canonical) or ""
        return self._default_of(canonical, asking)

    def _default_of(self, name: str, asking: Entry) -> str | None:
        """What a name that no source gives stands for."""
        if name in self.fixed:
            return self.fixed[name]
        declared = self.declarations.find(name)
        if declared is None:
            return None
        if declared.secret:
            return TO_BE_MADE if declared.generate else None
        default = None if declared.numbered else declared.default_for(self.cascade.in_force.cls)
        if default is None or "${" not in default or name in self.open:
            return default
        self.open.append(name)
        try:
            return expand(default, lambda inner: self._look_up(inner, asking), lambda _: None)
        finally:
            self.open.pop()

    def _canonical(self, name: str) -> str:
        meanings = self.declarations.meanings(name)
        return meanings[0].name if meanings else generic_name(name) or name

    def _expand_early(self, text: str) -> str | None:
        """Expand while layers are still folded, over the lines as written: for JSON that must be read to be folded."""
        missing: list[str] = []

        def look_up(name: str) -> str | None:
            if name not in AMBIENT and name in self.environ:
                self.out.environ_used[name] = self.environ[name]
                return self.environ[name]
            for layer in reversed(self.cascade.layers):
                line = None if layer.left_out else layer.file.last(name)
                if line is not None:
                    return line.value if "${" not in line.value else None
            return None

        try:
            value = expand(text, look_up, missing.append)
        except BadReferenceError:
            return None
        self.out.referenced |= set(references(text))
        return None if missing else value

    # -- telling -----------------------------------------------------------------------------------------------------

    def _fault(self, entry: Entry, message: str, remedy: str, code: str) -> None:
        self.out.problems.append(Problem("error", message, entry.where, entry.spelling, remedy, code))

    def _tell_unset(self) -> None:
        """One error that lists every unset name with the places that refer to it."""
        if not self.unset:
            return
        places = {name: ", ".join(f"{e.spelling}, {e.where}" for e in self.unset[name]) for name in self.unset}
        message = "not set: " + "; ".join(f"{name} (for {place})" for name, place in places.items())
        first = next(iter(self.unset.values()))[0]
        environment = self.cascade.in_force.name
        remedy = f"set them in the process environment or in {FOLDER}/{environment}/.env.secrets"
        self.out.problems.append(Problem("error", message, first.where, ", ".join(self.unset), remedy, "env-unset"))
