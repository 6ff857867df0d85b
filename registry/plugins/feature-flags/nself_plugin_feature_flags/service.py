"""The HTTP API, served under ``/plugins/feature-flags/``.

Evaluation speaks OFREP, the OpenFeature Remote Evaluation Protocol, so that every OpenFeature SDK is a client. Services
evaluate every flag; users and browsers those marked ``public``, a signed-in user always as themselves.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Query, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from hookspecs.web import Caller, account, admin, caller
from nself_plugin_feature_flags import store
from nself_plugin_feature_flags.evaluate import evaluate
from nself_plugin_feature_flags.model import Change, Flag, FlagIn, Key, Segment, SegmentIn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hookspecs import HostContext

Account = Annotated[str, Depends(account)]
Admin = Annotated[Caller, Depends(admin)]


class Evaluation(BaseModel):
    """The body of OFREP's requests."""

    context: dict[str, Any] = {}


def application(host: HostContext) -> FastAPI:
    """The application; its schema is at ``openapi.json`` below it."""
    api = FastAPI(title="Feature flags", version="1.0.0", summary="Switches, targeting and gradual roll-outs.")
    everything = store.Everything(host)
    api.include_router(_evaluating(host, everything))
    api.include_router(_flags(host, everything))
    api.include_router(_segments(host, everything))
    return api


def _evaluating(host: HostContext, everything: store.Everything) -> APIRouter:
    from prometheus_client import Counter

    router = APIRouter(prefix="/ofrep/v1/evaluate", tags=["evaluation (OFREP)"])
    counted = Counter("flags_evaluations_total", "Evaluations.", ("flag", "variant"), registry=host.metrics)

    def evaluated(flag: Flag, context: Mapping[str, Any], segments: Mapping[str, Segment]) -> dict[str, Any]:
        result = evaluate(flag, context, segments)
        counted.labels(flag.key, result.variant).inc()
        metadata = {"version": flag.version} | ({"rule": result.rule} if result.rule is not None else {})
        return {
            "key": flag.key,
            "value": result.value,
            "reason": result.reason,
            "variant": result.variant,
            "metadata": metadata,
        }

    @router.post("/flags/{key}", responses={404: {"description": "There is no such flag."}})
    async def one(key: str, asked: Evaluation, account: Account, who: Annotated[Caller, Depends(caller)]) -> Any:
        """Evaluate one flag."""
        flag = (await everything.flags(account)).get(key)
        if flag is None or not (flag.public or who.is_admin):
            return JSONResponse({"key": key, "errorCode": "FLAG_NOT_FOUND"}, status_code=404)
        return evaluated(flag, _context(asked, who), await everything.segments(account))

    @router.post("/flags", responses={304: {"description": "Nothing changed since the ETag."}})
    async def all_(
        asked: Evaluation,
        account: Account,
        who: Annotated[Caller, Depends(caller)],
        response: Response,
        if_none_match: Annotated[str | None, Header()] = None,
    ) -> Any:
        """Evaluate every flag the caller may see, for a browser's start."""
        context = _context(asked, who)
        tag = await everything.etag(account, context)
        if if_none_match == tag:
            return Response(status_code=304, headers={"etag": tag})
        segments = await everything.segments(account)
        flags = [flag for flag in (await everything.flags(account)).values() if flag.public or who.is_admin]
        response.headers["etag"] = tag
        return {"flags": [evaluated(flag, context, segments) for flag in flags]}

    return router


def _context(asked: Evaluation, who: Caller) -> dict[str, Any]:
    """The context to evaluate for: a user cannot pass for another."""
    if who.is_admin or who.user_id is None:
        return asked.context
    return {**asked.context, "targetingKey": who.user_id}


def _actor(who: Caller) -> str:
    return who.user_id or "service"


def _flags(host: HostContext, everything: store.Everything) -> APIRouter:
    router = APIRouter(prefix="/flags", tags=["flags"], dependencies=[Depends(admin)])

    @router.get("")
    async def list_(account: Account) -> list[Flag]:
        """Every flag."""
        rows = await host.pool.fetch("SELECT * FROM np_feature_flags_flags WHERE source_account_id = $1 ORDER BY key", account)
        return [Flag(**row) for row in rows]

    @router.get("/{key}")
    async def show(key: Key, account: Account) -> Flag:
        """One flag."""
        row = await host.pool.fetchrow(
            "SELECT * FROM np_feature_flags_flags WHERE source_account_id = $1 AND key = $2", account, key
        )
        if row is None:
            raise HTTPException(404, f"there is no flag {key!r}")
        return Flag(**row)

    @router.put("/{key}")
    async def put(key: Key, wanted: FlagIn, account: Account, who: Admin) -> Flag:
        """Make or change a flag; who is in a roll-out stays in it."""
        made = await store.put_flag(host.pool, account, key, wanted, _actor(who))
        everything.forget()
        return made

    @router.post("/{key}/{state}")
    async def switch(key: Key, state: Literal["on", "off"], account: Account, who: Admin) -> Flag:
        """Throw the kill switch."""
        flag = await store.switch(host.pool, account, key, state == "on", _actor(who))
        if flag is None:
            raise HTTPException(404, f"there is no flag {key!r}")
        everything.forget()
        return flag

    @router.delete("/{key}", status_code=204)
    async def delete(key: Key, account: Account, who: Admin) -> None:
        """Delete a flag. Made anew, it has other buckets."""
        if not await store.delete(host.pool, account, "flag", key, _actor(who)):
            raise HTTPException(404, f"there is no flag {key!r}")
        everything.forget()

    return router


def _segments(host: HostContext, everything: store.Everything) -> APIRouter:
    router = APIRouter(tags=["segments and history"], dependencies=[Depends(admin)])

    @router.get("/segments")
    async def list_(account: Account) -> list[Segment]:
        """Every segment."""
        rows = await host.pool.fetch("SELECT * FROM np_feature_flags_segments WHERE source_account_id = $1 ORDER BY key", account)
        return [Segment(**row) for row in rows]

    @router.put("/segments/{key}")
    async def put(key: Key, wanted: SegmentIn, account: Account, who: Admin) -> Segment:
        """Make or change a segment."""
        made = await store.put_segment(host.pool, account, key, wanted, _actor(who))
        everything.forget()
        return made

    @router.delete("/segments/{key}", status_code=204, responses={409: {"description": "A flag uses it."}})
    async def delete(key: Key, account: Account, who: Admin) -> None:
        """Delete a segment that no flag uses."""
        users = await host.pool.fetch(
            "SELECT key FROM np_feature_flags_flags WHERE source_account_id = $1 AND jsonb_path_exists(rules,"
            ' \'$[*].conditions[*] ? ((@.operator == "segment" || @.operator == "not_segment") && @.value == $key)\','
            " jsonb_build_object('key', $2::text)) ORDER BY key",
            account,
            key,
        )
        if users:
            raise HTTPException(409, f"these flags use it: {', '.join(row['key'] for row in users)}")
        if not await store.delete(host.pool, account, "segment", key, _actor(who)):
            raise HTTPException(404, f"there is no segment {key!r}")
        everything.forget()

    @router.get("/history")
    async def history(
        account: Account,
        key: str | None = None,
        before: datetime | None = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> list[Change]:
        """Who changed what, newest first."""
        rows = await host.pool.fetch(
            "SELECT * FROM np_feature_flags_history WHERE source_account_id = $1 AND ($2::text IS NULL OR key = $2)"
            " AND ($3::timestamptz IS NULL OR at < $3) ORDER BY id DESC LIMIT $4",
            account,
            key,
            before,
            limit,
        )
        return [Change(**row) for row in rows]

    return router
