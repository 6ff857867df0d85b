"""Faults of several variables, gathered so that they are told at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from builtin_plugins.custom.grammar import Fault

if TYPE_CHECKING:
    from hookspecs.models.findings import Finding
    from hookspecs.models.settings import Settings


class Faults:
    """The errors found so far, each with the variable and the file and line that gave it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.found: list[Finding] = []

    def add(self, variable: str, message: str, remedy: str, *, code: str = "custom-service") -> None:
        """One error about a variable."""
        from hookspecs.models.findings import Finding, Level

        origin = self._settings.origin(variable)
        self.found.append(
            Finding(
                level=Level.ERROR,
                message=f"{variable}: {message}",
                where=str(origin) if origin else variable,
                variable=variable,
                remedy=remedy,
                code=code,
            )
        )

    def extend(self, variable: str, faults: list[Fault] | tuple[Fault, ...]) -> None:
        """Several errors about one variable."""
        for message, remedy in faults:
            self.add(variable, message, remedy)

    def raise_all(self) -> None:
        """Raise what was found as one ``UserError``; nothing where all is well."""
        from hookspecs.errors import UserError

        if not self.found:
            return
        word = "fault" if len(self.found) == 1 else "faults"
        raise UserError(f"{len(self.found)} {word} in the custom services", findings=self.found, code=self.found[0].code)
