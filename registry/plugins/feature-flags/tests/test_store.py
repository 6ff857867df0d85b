"""What is remembered of the tables, and when it is read anew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from nself_plugin_feature_flags.store import Everything


class Pool:
    """A database whose one flag is switched off, and tells of it, while the tables are being read."""

    def __init__(self) -> None:
        self.enabled = True
        self.tell: Any = None

    async def fetch(self, sql: str) -> list[dict[str, Any]]:
        row = {"source_account_id": "primary", "key": "checkout", "salt": "s", "version": 1, "updated_at": datetime.now(UTC)}
        if "np_feature_flags_flags" in sql:
            return [{**row, "enabled": self.enabled}]
        if self.enabled:
            self.enabled = False
            self.tell()
        return []

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[None]:
        await asyncio.Event().wait()
        yield


def test_a_change_during_a_read_is_not_missed() -> None:
    """The end of that read counted as newer than the change: a kill switch was felt half a minute later."""

    async def run() -> list[bool]:
        pool = Pool()
        everything = Everything(SimpleNamespace(pool=pool))  # type: ignore[arg-type]
        pool.tell = everything.forget
        return [(await everything.flags("primary"))["checkout"].enabled for _ in range(2)]

    assert asyncio.run(run()) == [True, False]
