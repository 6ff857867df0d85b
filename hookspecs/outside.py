"""Asking an outside service politely: wait where it asks to, try again where that helps, tell plainly where it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx
    from tenacity import RetryCallState

#: Tries of one request, and the longest that is waited between two (seconds) where the service does not say.
TRIES, LONGEST = 6, 60.0
#: The longest that a service's own wish is followed; a limit that ends later is for the next run.
PATIENCE = 900.0

Sleep = Callable[[float], Awaitable[None]]


class OutsideError(Exception):
    """The outside service refused or did not answer. ``status`` is ``None`` where there was no answer."""

    def __init__(self, message: str, status: int | None = None, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after

    @property
    def worth_another(self) -> bool:
        """Whether a later try may be answered."""
        if self.retry_after is not None:
            return self.retry_after <= PATIENCE
        return self.status is None or self.status in {408, 409, 425, 429} or self.status >= 500


async def ask(
    http: httpx.AsyncClient, method: str, url: str, *, tries: int = TRIES, sleep: Sleep = asyncio.sleep, **request: Any
) -> httpx.Response:
    """A successful answer; ``OutsideError`` where none is to be had.

    Waits by ``Retry-After`` or, as GitHub tells it, until ``X-RateLimit-Reset`` where nothing remains; else by growing,
    random delays. When an answer leaves nothing of the rate limit, the caller's next request will be told to wait.
    """
    from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

    growing = wait_random_exponential(multiplier=0.5, max=LONGEST)

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, OutsideError) else None
        return asked if asked is not None else growing(state)

    async for attempt in AsyncRetrying(
        stop=stop_after_attempt(tries),
        retry=retry_if_exception(lambda error: isinstance(error, OutsideError) and error.worth_another),
        wait=wait,
        sleep=sleep,
        reraise=True,
    ):
        with attempt:
            return await _once(http, method, url, request)
    raise AssertionError("the last attempt returns or raises")


async def _once(http: httpx.AsyncClient, method: str, url: str, request: dict[str, Any]) -> httpx.Response:
    import httpx

    try:
        answer = await http.request(method, url, **request)
    except httpx.HTTPError as error:
        raise OutsideError(f"{httpx.URL(url).host} does not answer: {type(error).__name__} {error}".rstrip()) from None
    if answer.is_success or answer.status_code == 304:
        return answer
    raise OutsideError(_reason(answer), answer.status_code, retry_after=_asked_to_wait(answer))


def _asked_to_wait(answer: httpx.Response) -> float | None:
    """Seconds the service asks to wait; ``None`` where it does not ask, or the refusal has another cause."""
    if answer.status_code not in {403, 429, 503}:
        return None
    given = answer.headers.get("retry-after")
    if given is not None:
        return _seconds(given)
    if answer.headers.get("x-ratelimit-remaining") == "0":
        reset = answer.headers.get("x-ratelimit-reset", "")
        return max(0.0, float(reset) - datetime.now(UTC).timestamp()) + 1 if reset.isdigit() else None
    return None


def _seconds(given: str) -> float | None:
    """``Retry-After`` (RFC 9110) is a number of seconds or a date."""
    try:
        return float(given)
    except ValueError:
        try:
            return max(0.0, (parsedate_to_datetime(given) - datetime.now(UTC)).total_seconds())
        except ValueError:
            return None


def _reason(answer: httpx.Response) -> str:
    try:
        body = answer.json()
    except ValueError:
        body = {}
    said = body.get("message") or body.get("error") if isinstance(body, dict) else ""
    said = said.get("message", "") if isinstance(said, dict) else said
    return f"{answer.url.host} answered {answer.status_code} {answer.reason_phrase}: {said}".rstrip(": ")
