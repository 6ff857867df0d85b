"""Request and response transforms of actions and triggers: another method, address, query, headers or body."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import orjson

from ..errors import EngineError
from .template import TemplateError, compiled, text_template


@dataclass(frozen=True, slots=True)
class Request:
    """What will be sent to a webhook."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None


def transformed(spec: dict[str, Any] | None, request: Request, payload: Any, session: dict[str, str]) -> Request:
    """The request as the metadata's `request_transform` wants it; raises when a template fails."""
    if not spec:
        return request
    scope = {"$body": payload, "$base_url": request.url, "$session_variables": session}
    try:
        return _apply(spec, request, scope)
    except (TemplateError, KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise EngineError("unexpected", f"the request transform failed: {error}", "$", 500) from None


def _apply(spec: dict[str, Any], request: Request, scope: dict[str, Any]) -> Request:
    headers = _headers(spec.get("request_headers") or {}, dict(request.headers), scope)
    if spec.get("content_type"):
        headers["content-type"] = spec["content_type"]
    url = text_template(spec["url"])(scope) if spec.get("url") else request.url
    url = _with_query(url, spec.get("query_params"), scope)
    body = _body(spec.get("body"), request.body, headers, scope)
    return replace(request, method=(spec.get("method") or request.method).upper(), url=url, headers=headers, body=body)


def _headers(spec: dict[str, Any], headers: dict[str, str], scope: dict[str, Any]) -> dict[str, str]:
    gone = {name.lower() for name in spec.get("remove_headers") or ()}
    kept = {name: value for name, value in headers.items() if name.lower() not in gone}
    for name, template in (spec.get("add_headers") or {}).items():
        kept = {known: value for known, value in kept.items() if known.lower() != name.lower()}
        kept[name] = text_template(template)(scope)
    return kept


def _with_query(url: str, spec: Any, scope: dict[str, Any]) -> str:
    if not spec:
        return url
    parts = urlsplit(url)
    if isinstance(spec, str):
        query = text_template(spec)(scope)
    else:
        named = [(text_template(name)(scope), text_template(value or "")(scope)) for name, value in spec.items()]
        query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *named])
    return urlunsplit(parts._replace(query=query))


def _body(spec: Any, body: bytes | None, headers: dict[str, str], scope: dict[str, Any]) -> bytes | None:
    if spec is None:
        return body
    # The first version of the format has the template itself in this place.
    action = "transform" if isinstance(spec, str) else spec.get("action", "transform")
    if action == "remove":
        return None
    if action == "x_www_form_urlencoded":
        headers["content-type"] = "application/x-www-form-urlencoded"
        fields = {name: text_template(template)(scope) for name, template in (spec.get("form_template") or {}).items()}
        return urlencode(fields).encode()
    template = spec if isinstance(spec, str) else spec["template"]
    return orjson.dumps(compiled(template)(scope))


def response_transformed(spec: dict[str, Any] | None, answer: Any, payload: Any, session: dict[str, str]) -> Any:
    """A webhook's answer as the metadata's `response_transform` wants it."""
    body = (spec or {}).get("body")
    if not body:
        return answer
    template = body if isinstance(body, str) else body.get("template")
    if template is None:
        return answer
    try:
        return compiled(template)({"$body": answer, "$request": {"body": payload}, "$session_variables": session})
    except (TemplateError, KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise EngineError("unexpected", f"the response transform failed: {error}", "$", 500) from None


def check(spec: dict[str, Any] | None) -> None:
    """Refuse templates that cannot be read, when the metadata is written."""
    if not spec:
        return
    body = spec.get("body")
    template = body if isinstance(body, str) else (body or {}).get("template")
    try:
        if template is not None:
            compiled(template)
        texts = [spec.get("url"), *((spec.get("request_headers") or {}).get("add_headers") or {}).values()]
        query = spec.get("query_params")
        texts += [query] if isinstance(query, str) else list((query or {}).values())
        for text in texts:
            if text:
                text_template(text)
    except (TemplateError, ValueError) as error:
        raise EngineError("parse-failed", f"a template of the transform cannot be read: {error}", "$.args") from None
