"""The HTTP API, served under ``/plugins/stripe/``; for administrators and services."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import Depends, FastAPI, HTTPException, Query
from pydantic import BaseModel, JsonValue

from hookspecs.mirror import upsert
from hookspecs.outside import OutsideError
from hookspecs.web import account, admin
from nself_plugin_stripe.accounts import accounts
from nself_plugin_stripe.api import Api, moment
from nself_plugin_stripe.objects import KINDS

if TYPE_CHECKING:
    from hookspecs import HostContext

Account = Annotated[str, Depends(account)]
KindName = Literal[tuple(kind.name for kind in KINDS)]  # type: ignore[valid-type]


class SyncState(BaseModel):
    """The last sync of one kind of object."""

    resource: str
    started_at: datetime
    finished_at: datetime | None
    objects: int
    removed: int
    error: str


class Difference(BaseModel):
    """An object that is not the same here and at Stripe."""

    id: str
    here: JsonValue
    there: JsonValue


class Reconciliation(BaseModel):
    resource: str
    compared: int
    differences: list[Difference]


def application(host: HostContext) -> FastAPI:
    """The application; its schema is at ``openapi.json`` below it."""
    api = FastAPI(title="Stripe", version="1.0.0", summary="A mirror of Stripe.", dependencies=[Depends(admin)])
    known = {kind.name: kind for kind in KINDS}

    @api.get("/syncs")
    async def syncs(account: Account) -> list[SyncState]:
        """How far the mirror is."""
        rows = await host.pool.fetch("SELECT * FROM np_stripe_syncs WHERE source_account_id = $1 ORDER BY resource", account)
        return [SyncState(**row) for row in rows]

    @api.post("/syncs", status_code=202)
    async def start(account: Account, resource: Annotated[list[KindName], Query()] = []) -> dict[str, str]:  # noqa: B006
        """Sync the account, or some kinds of objects."""
        _require(account)
        job = await host.enqueue("sync", {"account": account, "kinds": list(resource)}, key=f"{account}/{','.join(resource)}")
        return {"job": job}

    @api.post("/reconcile/{resource}")
    async def reconcile(
        resource: KindName, account: Account, limit: Annotated[int, Query(ge=1, le=500)] = 100, mend: bool = False
    ) -> Reconciliation:
        """Compare the newest objects with Stripe's; ``mend`` takes over what Stripe has."""
        kind = known[resource]
        if "{customer}" in kind.path:
            raise HTTPException(422, f"{resource} are listed customer by customer; sync them instead")
        one = _require(account)
        differences, compared = [], 0
        try:
            async for _, page in Api(host, one).pages(kind.path, kind.query):
                page = page[: limit - compared]  # noqa: PLW2901
                rows = await host.pool.fetch(
                    f'SELECT id, data FROM "{kind.mirror.table}" WHERE source_account_id = $1 AND id = ANY($2)',  # noqa: S608
                    account,
                    [thing["id"] for thing in page],
                )
                here = {row["id"]: kind.mirror.row(row["data"]) for row in rows}
                for thing in page:
                    there = kind.mirror.row(thing)
                    if here.get(thing["id"]) != there:
                        differences.append(Difference(id=thing["id"], here=here.get(thing["id"]), there=there))
                        if mend:
                            await upsert(host.pool, kind.mirror, account, [thing], moment(host))
                compared += len(page)
                if compared >= limit:
                    break
        except OutsideError as error:
            raise HTTPException(502, str(error)) from None
        return Reconciliation(resource=resource, compared=compared, differences=differences)

    def _require(account: str):  # type: ignore[no-untyped-def]
        found = next((one for one in accounts(host) if one.name == account), None)
        if found is None:
            raise HTTPException(409, f"the account {account} has no key: set STRIPE_API_KEY or STRIPE_API_KEYS")
        return found

    return api
