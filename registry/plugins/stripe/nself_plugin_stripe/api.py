"""Reading Stripe's API: https://docs.stripe.com/api/pagination."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from hookspecs.outside import Sleep, ask
from nself_plugin_stripe.accounts import Account

if TYPE_CHECKING:
    from hookspecs import HostContext

PAGE = 100


def moment(host: HostContext) -> datetime:
    """Now, to the second, as Stripe tells times: an event of the second in which a list was read must not look older than it."""
    return host.now().replace(microsecond=0)


class Api:
    """One account's API."""

    def __init__(self, host: HostContext, account: Account, *, sleep: Sleep = asyncio.sleep) -> None:
        self._host = host
        self._sleep = sleep
        self._base = str(host.settings["STRIPE_API_BASE"]).rstrip("/") + "/v1/"
        self._headers = {"authorization": f"Bearer {account.key}", "stripe-version": str(host.settings["STRIPE_API_VERSION"])}
        if host.settings["STRIPE_ACCOUNT_ID"]:
            self._headers["stripe-account"] = str(host.settings["STRIPE_ACCOUNT_ID"])

    async def get(self, path: str, query: Sequence[tuple[str, str]] = ()) -> dict[str, Any]:
        """One object or one page; ``OutsideError`` where Stripe refuses or is away for long."""
        answer = await ask(
            self._host.http,
            "GET",
            self._base + path,
            params=list(query),
            headers=self._headers,
            timeout=60,
            sleep=self._sleep,
        )
        found: dict[str, Any] = answer.json()
        return found

    async def pages(
        self, path: str, query: Sequence[tuple[str, str]] = (), *, after: str | None = None
    ) -> AsyncIterator[tuple[datetime, list[dict[str, Any]]]]:
        """The pages of a list, newest objects first, from after the object ``after``; each with the time it was asked for."""
        while True:
            cursor = [("starting_after", after)] if after else []
            asked = moment(self._host)
            page = await self.get(path, [("limit", str(PAGE)), *query, *cursor])
            if page["data"]:
                yield asked, page["data"]
                after = page["data"][-1]["id"]
            if not page.get("has_more") or not page["data"]:
                return
