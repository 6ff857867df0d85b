"""Values that JSON can hold and PostgreSQL cannot are the caller's fault: 422 from every plugin, not a failure of its own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import asyncpg
from fastapi import FastAPI
from fastapi.exception_handlers import request_validation_exception_handler
from fastapi.exceptions import RequestValidationError
from starlette.applications import Starlette
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp

_TEXT = "a text holds U+0000 or half of a surrogate pair, which cannot be stored"
_RANGE = "a number or time is too large or too small to be stored"
_SQLSTATES = {"22021": _TEXT, "22P05": _TEXT, "22003": _RANGE, "22008": _RANGE}


def refuse_unstorable(app: ASGIApp) -> None:
    """Have an application answer so. Handlers of its own count before these; another framework's application stays as it is."""
    if not isinstance(app, Starlette):
        return
    app.exception_handlers.setdefault(asyncpg.DataError, _refused)
    app.exception_handlers.setdefault(UnicodeEncodeError, _refused)
    if isinstance(app, FastAPI) and app.exception_handlers[RequestValidationError] is request_validation_exception_handler:
        app.exception_handlers[RequestValidationError] = _invalid


async def _refused(request: Request, error: Any) -> JSONResponse:
    reason = _SQLSTATES.get(getattr(error, "sqlstate", ""), "")
    if not reason:  # an argument that never went as far as the server
        text = str(error)
        reason = _TEXT if "surrogates not allowed" in text else _RANGE if re.search("out of|exceeds", text) else ""
    if not reason:
        raise error
    return JSONResponse({"detail": [{"type": "unstorable", "loc": [], "msg": reason}]}, 422)


async def _invalid(request: Request, error: Any) -> JSONResponse:
    """FastAPI's own answer repeats what was given, which may be such a text."""
    try:
        return await request_validation_exception_handler(request, error)
    except UnicodeEncodeError as fault:
        return await _refused(request, fault)
