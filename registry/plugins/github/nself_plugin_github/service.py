"""The HTTP API, served under ``/plugins/github/``; for administrators and services."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel

from hookspecs.outside import OutsideError
from hookspecs.web import account, admin
from nself_plugin_github.accounts import accounts
from nself_plugin_github.api import Api

if TYPE_CHECKING:
    from hookspecs import HostContext

Account = Annotated[str, Depends(account)]


class SyncState(BaseModel):
    """The last sync of one kind of object of one repository."""

    scope: str
    resource: str
    started_at: datetime
    finished_at: datetime | None
    objects: int
    removed: int
    error: str


class RateLimit(BaseModel):
    limit: int
    remaining: int
    resets_at: datetime


def application(host: HostContext) -> FastAPI:
    """The application; its schema is at ``openapi.json`` below it."""
    api = FastAPI(title="GitHub", version="1.0.0", summary="A copy of GitHub.", dependencies=[Depends(admin)])

    def known(name: str) -> Any:
        found = next((one for one in accounts(host) if one.name == name), None)
        if found is None:
            raise HTTPException(409, f"the account {name} has no token: set GITHUB_TOKEN or GITHUB_API_KEYS")
        return found

    @api.get("/syncs")
    async def syncs(account: Account, failed: bool = False) -> list[SyncState]:
        """How far the copy is."""
        rows = await host.pool.fetch(
            "SELECT * FROM np_github_syncs WHERE source_account_id = $1 AND (NOT $2 OR error <> '') ORDER BY scope, resource",
            account,
            failed,
        )
        return [SyncState(**row) for row in rows]

    @api.post("/syncs", status_code=202)
    async def start(account: Account, whole: bool = False) -> dict[str, str]:
        """Sync what changed; ``whole`` asks for everything again."""
        known(account)
        return {"job": await host.enqueue("sync", {"account": account, "whole": whole}, key=f"{account}/{whole}")}

    @api.get("/rate-limit")
    async def rate_limit(account: Account) -> RateLimit:
        """What GitHub still answers the token in this hour."""
        try:
            core = (await Api(host, known(account)).get("/rate_limit"))["resources"]["core"]
        except OutsideError as error:
            raise HTTPException(502, str(error)) from None
        return RateLimit(limit=core["limit"], remaining=core["remaining"], resets_at=core["reset"])

    return api
