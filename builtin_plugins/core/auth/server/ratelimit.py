"""Rate limits per group of routes and per caller: token buckets in this process's memory."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from dataclasses import dataclass

from .settings import RateLimits

_MOST_CALLERS = 20_000  # beyond, the one seen longest ago is forgotten, so that memory stays bounded


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class Limiter:
    """Buckets of one group."""

    def __init__(self, burst: int, interval: float) -> None:
        self._burst, self._rate = burst, burst / interval
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, caller: str, now: float | None = None) -> float:
        """Take one token; 0, or the seconds until there is one again."""
        moment = time.monotonic() if now is None else now
        bucket = self._buckets.get(caller)
        if bucket is None:
            bucket = self._buckets[caller] = _Bucket(self._burst, moment)
            if len(self._buckets) > _MOST_CALLERS:
                self._buckets.popitem(last=False)
        else:
            bucket.tokens = min(self._burst, bucket.tokens + (moment - bucket.at) * self._rate)
            bucket.at = moment
            self._buckets.move_to_end(caller)
        if bucket.tokens >= 1:
            bucket.tokens -= 1
            return 0
        return (1 - bucket.tokens) / self._rate


def network(address: str) -> str:
    """Whom an address stands for: an IPv6 one for its /64, which is what one customer gets and may choose from freely."""
    if ":" not in address:
        return address
    try:
        return str(ipaddress.IPv6Network((address.partition("%")[0], 64), strict=False))
    except ValueError:
        return address


class Limits:
    """All groups of AUTH_RATE_LIMIT_*."""

    def __init__(self, settings: RateLimits) -> None:
        self._enabled = settings.enabled
        self._email_is_global = settings.email_is_global
        self._groups = {
            "global": Limiter(settings.global_burst, settings.global_interval),
            "email": Limiter(settings.email_burst, settings.email_interval),
            "sms": Limiter(settings.sms_burst, settings.sms_interval),
            "brute-force": Limiter(settings.brute_force_burst, settings.brute_force_interval),
            "signups": Limiter(settings.signups_burst, settings.signups_interval),
        }

    def check(self, groups: tuple[str, ...], caller: str) -> float:
        """The seconds to wait before this caller may use a route of these groups; 0 when it may now."""
        if not self._enabled:
            return 0
        caller = network(caller)
        return max(
            self._groups[group].take("*" if group == "email" and self._email_is_global else caller)
            for group in ("global", *groups)
        )
