"""Reading GitHub's API: https://docs.github.com/rest/using-the-rest-api/using-pagination-in-the-rest-api."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from hookspecs.outside import Sleep, ask
from nself_plugin_github.accounts import Account

if TYPE_CHECKING:
    from hookspecs import HostContext

PAGE = 100


class Api:
    """One account's API."""

    def __init__(self, host: HostContext, account: Account, *, sleep: Sleep = asyncio.sleep) -> None:
        self._host = host
        self._sleep = sleep
        self._base = str(host.settings["GITHUB_API_BASE"]).rstrip("/")
        self._headers = {
            "authorization": f"Bearer {account.token}",
            "accept": "application/vnd.github+json",
            "x-github-api-version": "2022-11-28",
            "user-agent": "nself",
        }

    async def get(self, path: str, **query: Any) -> Any:
        """One object; ``OutsideError`` where GitHub refuses or is away for long."""
        return (await self._ask(self._base + path, query)).json()

    async def pages(self, path: str, within: str = "", **query: Any) -> AsyncIterator[tuple[datetime, list[dict[str, Any]]]]:
        """The pages of a list, each with the time it was asked for; ``within`` names the field that holds the list."""
        url: str | None = self._base + path
        query = {"per_page": PAGE, **query}
        while url:
            asked = self._host.now()
            answer = await self._ask(url, query)
            found = answer.json() if answer.content else []
            found = found.get(within, []) if within else found
            if found:
                yield asked, found
            following = answer.links.get("next", {}).get("url")
            # only ever the API itself: the token goes along
            url, query = (following if following and following.startswith(self._base + "/") else None), {}

    async def _ask(self, url: str, query: Mapping[str, Any]) -> Any:
        given = {name: value for name, value in query.items() if value is not None}
        return await ask(self._host.http, "GET", url, params=given or None, headers=self._headers, timeout=60, sleep=self._sleep)
