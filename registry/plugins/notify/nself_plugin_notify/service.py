"""The HTTP API, served under ``/plugins/notify/``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from hookspecs.web import Caller, account, admin, user
from nself_plugin_notify import notifications, templates, unsubscribe
from nself_plugin_notify.models import (
    Filled,
    Name,
    Notification,
    NotificationDetail,
    NotificationOut,
    NotificationPage,
    Preference,
    Preview,
    Status,
    TemplateIn,
    TemplateOut,
)
from nself_plugin_notify.notifications import RefusedError
from nself_plugin_notify.templates import Content

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hookspecs import HostContext

Account = Annotated[str, Depends(account)]
Me = Annotated[Caller, Depends(user)]

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Unsubscribe</title><style>body{{font:16px system-ui;max-width:32rem;margin:15vh auto;padding:0 1rem}}
button{{font:inherit;padding:.5rem 1rem}}</style>{body}"""


def application(host: HostContext) -> FastAPI:
    """The application; its schema is at ``openapi.json`` below it."""
    api = FastAPI(title="Notify", version="1.0.0", summary="Sends e-mail and signed webhooks and logs each delivery.")
    api.include_router(_sending(host))
    api.include_router(_templates(host))
    api.include_router(_mine(host))
    api.include_router(_unsubscribing(host))

    @api.exception_handler(RefusedError)
    async def refused(request: Request, error: RefusedError) -> JSONResponse:
        detail = [{"type": "refused", "loc": ["body", *error.field.split(".")], "msg": str(error)}]
        return JSONResponse({"detail": detail}, status_code=422)

    return api


def _sending(host: HostContext) -> APIRouter:
    router = APIRouter(prefix="/notifications", tags=["notifications"], dependencies=[Depends(admin)])

    @router.post("", status_code=202, responses={200: {"description": "The key was known: nothing new was sent."}})
    async def send(wanted: Notification, account: Account, response: Response) -> NotificationOut:
        """Queue a notification. 202 with its id; look it up there."""
        row, new = await notifications.queue(host, account, wanted)
        if not new:
            response.status_code = 200
        return NotificationOut(**row)

    @router.get("")
    async def list_(
        account: Account,
        status: Status | None = None,
        user_id: UUID | None = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: str | None = None,
    ) -> NotificationPage:
        """The delivery log, newest first."""
        rows, after = await notifications.page(host.pool, account, status=status, user_id=user_id, limit=limit, cursor=cursor)
        return NotificationPage(notifications=[NotificationOut(**row) for row in rows], next=after)

    @router.get("/{id}")
    async def show(id: UUID, account: Account) -> NotificationDetail:
        """One notification with every attempt at it."""
        row = await host.pool.fetchrow(
            "SELECT * FROM np_notify_notifications WHERE id = $1 AND source_account_id = $2", id, account
        )
        if row is None:
            raise HTTPException(404, "there is no such notification")
        log = await host.pool.fetch(
            "SELECT number, outcome, detail, took_ms, at FROM np_notify_attempts WHERE notification_id = $1 ORDER BY number", id
        )
        return NotificationDetail(**row, log=[dict(line) for line in log])

    @router.post("/{id}/retry", status_code=202, responses={409: {"description": "It did not fail."}})
    async def retry(id: UUID, account: Account) -> NotificationOut:
        """Try a failed notification again, with a fresh count of attempts."""
        row = await host.pool.fetchrow(
            "UPDATE np_notify_notifications SET status = 'queued', send_at = now(), error = ''"
            " WHERE id = $1 AND source_account_id = $2 AND status = 'failed' RETURNING *",
            id,
            account,
        )
        if row is None:
            known = await host.pool.fetchval(
                "SELECT status FROM np_notify_notifications WHERE id = $1 AND source_account_id = $2", id, account
            )
            raise HTTPException(409, f"it is {known}") if known else HTTPException(404, "there is no such notification")
        await host.enqueue("deliver", {"id": str(id)}, key=f"{id}/retry/{row['attempts']}")
        return NotificationOut(**row)

    return router


def _templates(host: HostContext) -> APIRouter:
    router = APIRouter(prefix="/templates", tags=["templates"], dependencies=[Depends(admin)])

    @router.get("")
    async def list_(account: Account) -> list[TemplateOut]:
        """Every template in every language."""
        rows = await host.pool.fetch(
            "SELECT * FROM np_notify_templates WHERE source_account_id = $1 ORDER BY name, locale", account
        )
        return [_template(row) for row in rows]

    @router.put("/{name}")
    async def put(name: Name, wanted: TemplateIn, account: Account) -> TemplateOut:
        """Make or replace a template in one language; what was queued before keeps its content."""
        _variables(wanted)
        row = await host.pool.fetchrow(
            "INSERT INTO np_notify_templates AS t (source_account_id, name, locale, category, subject, text, html)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (source_account_id, name, locale) DO UPDATE SET"
            " category = excluded.category, subject = excluded.subject, text = excluded.text, html = excluded.html,"
            " version = t.version + 1, updated_at = now() RETURNING *",
            account, name, wanted.locale, wanted.category, wanted.subject, wanted.text, wanted.html,
        )  # fmt: skip
        return _template(row)

    @router.delete("/{name}", status_code=204)
    async def delete(name: Name, account: Account, locale: str | None = None) -> None:
        """Delete a template, in one language or in all."""
        gone = await host.pool.execute(
            "DELETE FROM np_notify_templates WHERE source_account_id = $1 AND name = $2 AND ($3::text IS NULL OR locale = $3)",
            account,
            name,
            locale,
        )
        if gone == "DELETE 0":
            raise HTTPException(404, "there is no such template")

    @router.post("/{name}/preview")
    async def preview(name: Name, wanted: Preview, account: Account) -> Filled:
        """Fill in a template without sending anything."""
        row = await notifications.find_template(host.pool, account, name, wanted.locale)
        if row is None:
            raise HTTPException(404, "there is no such template")
        try:
            filled = templates.fill(Content(row["subject"], row["text"], row["html"]), wanted.data)
        except templates.TemplateFaultError as fault:
            raise RefusedError("data", str(fault)) from None
        return Filled(subject=filled.subject, text=filled.text, html=filled.html)

    return router


def _mine(host: HostContext) -> APIRouter:
    router = APIRouter(prefix="/me", tags=["the signed-in user"])

    @router.get("/preferences")
    async def preferences(me: Me, account: Account) -> list[Preference]:
        """What I turned on and off."""
        rows = await host.pool.fetch(
            "SELECT category, channel, enabled FROM np_notify_preferences"
            " WHERE source_account_id = $1 AND user_id = $2 ORDER BY category, channel",
            account,
            UUID(me.user_id),
        )
        return [Preference(**row) for row in rows]

    @router.put("/preferences")
    async def prefer(wanted: Preference, me: Me, account: Account) -> Preference:
        """Turn a category on or off, on one channel or (``*``) on all."""
        await notifications.prefer(host.pool, account, UUID(me.user_id), wanted.category, wanted.channel, wanted.enabled)
        return wanted

    return router


def _unsubscribing(host: HostContext) -> APIRouter:
    router = APIRouter(prefix="/unsubscribe", tags=["unsubscribe links"])

    @router.get("", response_class=HTMLResponse)
    async def ask(token: str) -> str:
        """The page behind the link in a mail. It only asks: mail scanners follow links too."""
        _, _, category = _read(host, token)
        asked = f"<h1>Unsubscribe</h1><p>Stop mails of the kind <b>{_escaped(category)}</b>?</p>"
        return _PAGE.format(body=asked + '<form method="post"><button>Unsubscribe</button></form>')

    @router.post("", response_class=HTMLResponse)
    async def stop(token: str) -> str:
        """Turn the category off (RFC 8058: mail programs post here with one click)."""
        account, user_id, category = _read(host, token)
        await notifications.prefer(host.pool, account, user_id, category, "email", False)
        return _PAGE.format(body="<h1>Done</h1><p>You will get no more mails of this kind.</p>")

    return router


def _read(host: HostContext, token: str) -> tuple[str, UUID, str]:
    try:
        return unsubscribe.read(host, token)
    except ValueError as error:
        raise HTTPException(400, str(error)) from None


def _variables(content: TemplateIn) -> list[str]:
    try:
        return templates.check(Content(content.subject, content.text, content.html))
    except templates.TemplateFaultError as fault:
        raise RefusedError(str(fault).partition(",")[0], str(fault)) from None


def _template(row: Mapping[str, Any]) -> TemplateOut:
    variables = templates.check(Content(row["subject"], row["text"], row["html"]))
    return TemplateOut(**row, variables=variables)


def _escaped(text: str) -> str:
    from html import escape

    return escape(text)
