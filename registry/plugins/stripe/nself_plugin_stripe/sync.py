"""Whole syncs: every list of the API, page by page, resumable, and at the end what is no longer there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from hookspecs import Job
from hookspecs.mirror import delete_unseen, upsert
from hookspecs.outside import OutsideError
from nself_plugin_stripe.accounts import Account, accounts
from nself_plugin_stripe.api import Api, moment
from nself_plugin_stripe.objects import KINDS, Kind

if TYPE_CHECKING:
    from hookspecs import HostContext

#: An interrupted sync goes on from its cursor for so long, then it begins anew.
RESUMABLE = timedelta(hours=6)


def jobs(host: HostContext) -> list[Job]:
    """The plugin's jobs."""

    async def sync(payload: Mapping[str, Any]) -> None:
        account = next((one for one in accounts(host) if one.name == payload["account"]), None)
        if account is None:
            host.logger.warning("the account %s has no key any more", payload["account"])
            return
        await sync_account(host, account, Api(host, account), payload.get("kinds") or [kind.name for kind in KINDS])

    async def schedule(payload: Mapping[str, Any]) -> None:
        interval = host.settings["STRIPE_SYNC_INTERVAL"]
        for account in accounts(host) if interval else ():
            last = await host.pool.fetchval(
                "SELECT min(finished_at) FROM np_stripe_syncs WHERE source_account_id = $1"
                " HAVING count(*) FILTER (WHERE finished_at IS NULL) = 0",
                account.name,
            )
            if last is None or last < host.now() - timedelta(seconds=interval):
                await host.enqueue("sync", {"account": account.name}, key=account.name)

    return [
        Job(name="sync", run=sync, timeout=6 * 3600, retries=8),
        Job(name="schedule", run=schedule, schedule="*/10 * * * *", retries=0, timeout=60),
    ]


async def sync_account(host: HostContext, account: Account, api: Api, kinds: list[str]) -> None:
    """Sync kinds of objects of one account; one that Stripe refuses is noted, and the others go on."""
    refused: OutsideError | None = None
    for kind in KINDS:
        if kind.name in kinds:
            try:
                await sync_kind(host, account.name, api, kind)
            except OutsideError as error:
                await _note(host, account.name, kind, error=str(error))
                if error.status in {401, None} or error.worth_another:
                    raise  # the whole account is out of reach: later
                refused = refused or error  # a restricted key that may not read this kind
    if refused is not None:
        host.logger.warning("stripe account %s: %s", account.name, refused)


async def sync_kind(host: HostContext, account: str, api: Api, kind: Kind) -> int:
    """Sync one kind of object, from where an interrupted sync stopped; how many objects it saw."""
    started, cursor = await _begin(host, account, kind)
    seen = 0
    if "{customer}" in kind.path:
        seen = await _of_each_customer(host, account, api, kind, cursor)
    else:
        async for asked, page in api.pages(kind.path, kind.query, after=cursor):
            async with host.pool.acquire() as connection, connection.transaction():
                await upsert(connection, kind.mirror, account, page, asked)
                await _advance(connection, account, kind, page[-1]["id"], len(page))
            seen += len(page)
    removed = await delete_unseen(host.pool, kind.mirror, account, started) if kind.whole else []
    await _note(host, account, kind, removed=len(removed))
    return seen


async def _of_each_customer(host: HostContext, account: str, api: Api, kind: Kind, cursor: str | None) -> int:
    seen = 0
    customers = await host.pool.fetch(
        "SELECT id FROM np_stripe_customers WHERE source_account_id = $1 AND deleted_at IS NULL AND id > $2 ORDER BY id",
        account,
        cursor or "",
    )
    for row in customers:
        async for asked, page in api.pages(kind.path.format(customer=row["id"]), kind.query):
            await upsert(host.pool, kind.mirror, account, page, asked)
            seen += len(page)
        async with host.pool.acquire() as connection:
            await _advance(connection, account, kind, row["id"], 0)
    return seen


async def _begin(host: HostContext, account: str, kind: Kind) -> tuple[datetime, str | None]:
    """When this sync began and where it goes on: an interrupted one is taken up again."""
    row = await host.pool.fetchrow(
        "SELECT * FROM np_stripe_syncs WHERE source_account_id = $1 AND resource = $2", account, kind.name
    )
    now = moment(host)
    if row is not None and row["finished_at"] is None and row["cursor"] and row["started_at"] > now - RESUMABLE:
        return row["started_at"], row["cursor"]
    await host.pool.execute(
        "INSERT INTO np_stripe_syncs (source_account_id, resource, started_at) VALUES ($1, $2, $3)"
        " ON CONFLICT (source_account_id, resource) DO UPDATE SET started_at = excluded.started_at, cursor = NULL, objects = 0,"
        " removed = 0, finished_at = NULL, error = ''",
        account,
        kind.name,
        now,
    )
    return now, None


async def _advance(connection: Any, account: str, kind: Kind, cursor: str, objects: int) -> None:
    await connection.execute(
        "UPDATE np_stripe_syncs SET cursor = $3, objects = objects + $4, error = ''"
        " WHERE source_account_id = $1 AND resource = $2",
        account,
        kind.name,
        cursor,
        objects,
    )


async def _note(host: HostContext, account: str, kind: Kind, *, removed: int = 0, error: str = "") -> None:
    await host.pool.execute(
        "UPDATE np_stripe_syncs SET finished_at = CASE WHEN $4 = '' THEN $3::timestamptz END, removed = $5, error = $4"
        " WHERE source_account_id = $1 AND resource = $2",
        account, kind.name, host.now(), error, removed,
    )  # fmt: skip
