"""Tells the GraphQL engine of the tables of the schema `auth`, once each: what somebody changed there later stays.

https://hasura.io/docs/2.0/api-reference/metadata-api/manage-metadata/
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import httpx

from .metadata import tables

log = logging.getLogger("nself.auth")
_SOURCE = "default"
_LONGEST_WAIT = 60  # seconds between two tries


class NotTrackedError(Exception):
    """The engine did not take it; the text says why."""


def metadata_url(graphql_url: str) -> str:
    """The metadata API beside a GraphQL address."""
    return graphql_url.rstrip("/").removesuffix("/v1/graphql") + "/v1/metadata"


async def track(http: httpx.AsyncClient, graphql_url: str, admin_secret: str) -> list[str]:
    """Track the tables that are not tracked yet, with relationships and permissions, in one change; their names."""

    async def ask(body: dict[str, Any]) -> dict[str, Any]:
        answer = await http.post(metadata_url(graphql_url), json=body, headers={"X-Hasura-Admin-Secret": admin_secret})
        if answer.status_code != 200:
            raise NotTrackedError(f"{body['type']}: {answer.status_code} {answer.text[:300]}")
        found: dict[str, Any] = answer.json()
        return found

    exported = await ask({"type": "export_metadata", "version": 2, "args": {}})
    document = exported.get("metadata", exported)
    source = next((s for s in document.get("sources", ()) if s["name"] == _SOURCE), None)
    if source is None:
        raise NotTrackedError(f"the engine has no source {_SOURCE!r}")
    known = [entry["table"] for entry in source["tables"]]
    missing = [entry for entry in tables() if entry["table"] not in known]
    if not missing:
        return []
    source["tables"] += missing
    change = {"type": "replace_metadata", "version": 2, "args": {"allow_inconsistent_metadata": True, "metadata": document}}
    if "resource_version" in exported:  # refused where somebody was faster
        change["resource_version"] = exported["resource_version"]
    await ask(change)
    return [entry["table"]["name"] for entry in missing]


async def keep_trying(http: httpx.AsyncClient, graphql_url: str, admin_secret: str) -> None:
    """Track as soon as the engine answers; it may start after this server."""
    wait = 0.25
    while True:
        try:
            names = await track(http, graphql_url, admin_secret)
        except (httpx.HTTPError, NotTrackedError, ValueError, KeyError, TypeError) as error:
            log.warning("the auth tables are not tracked in GraphQL yet: %s", error or type(error).__name__)
            await asyncio.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT)
            continue
        if names:
            log.info("tracked in GraphQL: %s", ", ".join(names))
        return
