"""What reading and checking the settings found, before it becomes a ``Finding``: cheap, so that no pydantic is needed here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from hookspecs.models.findings import Finding

Level = Literal["error", "warning", "note"]


class Problem(NamedTuple):
    """One fault, warning or note. Fields as in ``hookspecs.Finding``."""

    level: Level
    message: str
    where: str = ""
    variable: str = ""
    remedy: str = ""
    code: str = ""

    def finding(self) -> Finding:
        """The same as the model that commands print."""
        from hookspecs.models.findings import Finding as Model
        from hookspecs.models.findings import Level as ModelLevel

        return Model(
            level=ModelLevel(self.level),
            message=self.message,
            where=self.where,
            variable=self.variable,
            remedy=self.remedy,
            code=self.code,
        )
