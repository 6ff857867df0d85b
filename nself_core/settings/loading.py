"""The one way from ``.env`` files to settings: read, fold, merge, expand, type, check. Every command goes through here."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nself_core.settings import cascade, environment
from nself_core.settings.check import Checked, check
from nself_core.settings.declared import Declarations
from nself_core.settings.environment import InForce
from nself_core.settings.merge import Merged, merge
from nself_core.settings.naming import project_name_from
from nself_core.settings.problems import Problem

if TYPE_CHECKING:
    from hookspecs.models.findings import Finding
    from hookspecs.models.project import Environment
    from hookspecs.models.settings import Settings, SettingValue
    from nself_core.settings.explain import Explanation


@dataclass
class LoadedSettings:
    """The settings of one environment. ``findings`` holds errors too: the caller decides what stops it."""

    root: Path
    in_force: InForce
    declarations: Declarations
    merged: Merged = field(repr=False)
    checked: Checked = field(repr=False)

    @cached_property
    def environment(self) -> Environment:
        from hookspecs.models.project import Environment as Model

        return Model(name=self.in_force.name, cls=self.in_force.cls)

    @property
    def project_name(self) -> str:
        """``PROJECT_NAME``, else made from the folder's name."""
        return str(self.checked.values["PROJECT_NAME"].value)

    @property
    def domain(self) -> str:
        """``BASE_DOMAIN``; ``localhost`` where it is missing or wrong (an error says so)."""
        return str(self.checked.values["BASE_DOMAIN"].value or "localhost")

    @cached_property
    def settings(self) -> Settings:
        """What plugins read."""
        from hookspecs.models.settings import Settings as Model

        entries = {}
        for name, one in self.checked.values.items():
            declared = self.declarations.find(name)
            entries[name] = one.model(name, declared.owner if declared else "")
        return Model(entries=entries, declared=frozenset(d.name for d in self.declarations))

    @cached_property
    def generic(self) -> Mapping[str, SettingValue]:
        """``<SERVICE>_REPLICAS``, ``_MEMORY_LIMIT``, ``_CPU_LIMIT``, ``_IMAGE`` that nobody declares, typed."""
        return {name: one.model(name) for name, one in self.checked.generic.items()}

    @property
    def secrets(self) -> Mapping[str, str]:
        """Secret values by canonical name. One that must first be made stands as ``<to be made>``."""
        return self.checked.secrets

    @property
    def to_be_made(self) -> Mapping[str, int]:
        """Secrets that are missing and that only services share: name → length. ``provision`` makes them."""
        return self.checked.to_be_made

    @property
    def environ_used(self) -> Mapping[str, str]:
        """What counted from the process environment: a declared name, or one that a winning line refers to."""
        return self.merged.environ_used

    @cached_property
    def problems(self) -> list[Problem]:
        """As ``findings``, in the cheap form."""
        order = {"error": 0, "warning": 1, "note": 2}
        found = [*self.merged.problems, *self.checked.problems]
        return sorted(dict.fromkeys(found), key=lambda problem: order[problem.level])

    @cached_property
    def findings(self) -> list[Finding]:
        """Every error, warning and note, errors first."""
        return [problem.finding() for problem in self.problems]

    def strict(self) -> list[Finding]:
        """``findings`` with what ``--strict`` makes of them: every warning is an error."""
        from hookspecs.models.findings import Level

        return [f.model_copy(update={"level": Level.ERROR}) if f.level == Level.WARNING else f for f in self.findings]

    def forgive(self, secrets: Collection[str]) -> None:
        """Leave out what speaks against the strength of secrets that are about to be replaced."""
        weak = [p for p in self.checked.problems if p.code == "secret-weak" and p.variable in secrets]
        self.checked.problems[:] = [p for p in self.checked.problems if p not in weak]

    def explain(self, name: str) -> Explanation:
        """Which file won for a variable, what it overrode, and who reads it."""
        from nself_core.settings.explain import explain

        return explain(self, name)

    def check_generic(self, names_of_services: Any) -> list[Finding]:
        """Warnings for ``<SERVICE>_REPLICAS`` and its like that fit none of the services."""
        from nself_core.settings.unknown import generic_problems

        found = generic_problems(self.checked.generic, list(names_of_services), self.declarations)
        return [problem.finding() for problem in found]


def load(
    root: Path,
    declarations: Declarations,
    *,
    env: str | None = None,
    home: Path | None = None,
    environ: Mapping[str, str],
) -> LoadedSettings:
    """Load the settings of a project for the environment in force, or for ``env``.

    Pure but for reading the project's files; ``environ`` is the process environment. Raises ``UserError`` only where there
    can be no settings at all: a name that is none, for the environment.
    """
    in_force = environment.in_force(root, env=env, environ=environ)
    read = cascade.read(root, in_force, environ)
    merged = merge(read, declarations, environ, {"PROJECT_NAME": project_name_from(root.name)})
    return LoadedSettings(root, in_force, declarations, merged, check(root, in_force, declarations, merged))
