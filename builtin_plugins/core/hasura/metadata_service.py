"""The metadata API of the running GraphQL service, and the folder its metadata is kept in.

https://hasura.io/docs/2.0/api-reference/metadata-api/index/
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self

from hookspecs import UserError

from .programs import engine

if TYPE_CHECKING:
    from hookspecs import CommandContext

_SECONDS = 120


def require_engine() -> None:
    """``UserError`` where the engine's libraries are not installed."""
    if engine() is None:
        raise UserError("the engine's libraries are not installed", remedy="pip install 'nself[native]'", code="not-installed")


def folders() -> ModuleType:
    """The module that reads and writes the folder."""
    require_engine()
    from .engine.metadata import folder

    return folder


def read(source: Path) -> dict[str, Any]:
    """The metadata of a folder; ``UserError`` names the file that cannot be read."""
    form = folders()
    from graphql import GraphQLError

    if not (source / "databases" / "databases.yaml").is_file():
        raise UserError(
            "there is no metadata here", where=str(source), remedy="nself hasura metadata export", code="metadata-folder"
        )
    try:
        found: dict[str, Any] = form.load(source)
    except form.FolderError as error:
        raise UserError(str(error), code="metadata-folder") from None
    except GraphQLError as error:
        raise UserError(error.message, where=str(source / "actions.graphql"), code="metadata-folder") from None
    return found


def difference(metadata: dict[str, Any], source: Path) -> str:
    """A unified diff from a folder to metadata, empty where they are the same."""
    read(source)
    found: str = folders().diff(metadata, source)
    return found


def _base(context: CommandContext, env: str | None) -> str:
    """The service's port on this machine, its public address where it has none: outside dev, and on another machine."""
    try:
        return f"http://{context.address('hasura', env=env)}"
    except UserError as error:
        if error.code != "port-unpublished":
            raise
        return context.public_url("hasura", env)


@dataclass(frozen=True)
class MetadataService:
    """One service, asked as admin."""

    url: str
    secret: str = field(repr=False)

    @classmethod
    def of(cls, context: CommandContext, env: str | None) -> Self:
        """That of the project; ``UserError`` where it has none."""
        secret = context.environment("hasura", env).get("HASURA_GRAPHQL_ADMIN_SECRET", "")
        return cls(f"{_base(context, env)}/v1/metadata", secret)

    def export(self) -> dict[str, Any]:
        """The metadata in force."""
        return self._ask("export_metadata", {})

    def replace(self, metadata: dict[str, Any]) -> list[dict[str, Any]]:
        """Put other metadata in force; what of it cannot be used."""
        args = {"allow_inconsistent_metadata": True, "metadata": metadata}
        found: list[dict[str, Any]] = self._ask("replace_metadata", args, version=2).get("inconsistent_objects") or []
        return found

    def inconsistent(self) -> list[dict[str, Any]]:
        """What of the metadata in force cannot be used."""
        found: list[dict[str, Any]] = self._ask("get_inconsistent_metadata", {}).get("inconsistent_objects") or []
        return found

    def _ask(self, kind: str, args: dict[str, Any], *, version: int | None = None) -> dict[str, Any]:
        import httpx

        body = {"type": kind, "args": args} | ({"version": version} if version else {})
        try:
            with httpx.Client(trust_env=False, timeout=_SECONDS) as client:
                answer = client.post(self.url, json=body, headers={"X-Hasura-Admin-Secret": self.secret})
            found = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise UserError(
                f"the GraphQL service does not answer: {error or type(error).__name__}",
                where=self.url, remedy="nself start", code="not-started",
            ) from None  # fmt: skip
        if answer.status_code != 200 or not isinstance(found, dict):
            told = found.get("error") if isinstance(found, dict) else found
            path = found.get("path", "") if isinstance(found, dict) else ""
            raise UserError(f"the GraphQL service refused {kind}: {told}", where=path, code="metadata-refused")
        return found
