"""The one error type for what a user can mend."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hookspecs.models.findings import Finding


class UserError(Exception):
    """Something the user can mend: what is wrong, where, and what to do. Printed without a traceback; exit code 1.

    ``exit_code`` 2 is for wrong usage. ``findings`` holds all faults where several were found at once.
    """

    def __init__(
        self,
        message: str,
        *,
        where: str = "",
        remedy: str = "",
        code: str = "",
        exit_code: int = 1,
        findings: Iterable[Finding] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.remedy = remedy
        self.code = code
        self.exit_code = exit_code
        self.findings = tuple(findings)

    def faults(self) -> tuple[Finding, ...]:
        """``findings``, or the error itself as one."""
        from hookspecs.models.findings import Finding, Level

        if self.findings:
            return self.findings
        return (Finding(level=Level.ERROR, message=self.message, where=self.where, remedy=self.remedy, code=self.code),)
