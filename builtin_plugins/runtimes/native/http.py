"""A service's HTTP port, for ``Service.tracker``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from hookspecs import UserError

if TYPE_CHECKING:
    from hookspecs import Stack

_SECONDS = 60


class LoopbackHttp:
    """See ``hookspecs.HttpAccess``."""

    def __init__(self, stack: Stack, service: str) -> None:
        self._base = f"http://{stack.address(service)}"

    def post(self, path: str, body: str, headers: Mapping[str, str]) -> tuple[int, str]:
        """See ``hookspecs.HttpAccess``."""
        import httpx

        try:
            with httpx.Client(trust_env=False, timeout=_SECONDS) as client:
                answer = client.post(self._base + path, content=body.encode(), headers=dict(headers))
        except httpx.HTTPError as error:
            raise UserError(f"it does not answer: {error or type(error).__name__}", where=self._base, code="http") from None
        return answer.status_code, answer.text
