"""Evaluation: pure, and the same for the same flag and context, on every machine and for good."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from nself_plugin_feature_flags.model import Condition, Flag, Rule, Segment

#: Buckets a roll-out is divided into: two decimals of a percent.
BUCKETS = 10_000

_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Result:
    """``reason`` is one of OpenFeature's: STATIC, TARGETING_MATCH, SPLIT, DISABLED."""

    key: str
    value: Any
    variant: str
    reason: str
    rule: int | None = None
    """Which rule decided, from 0."""


def evaluate(flag: Flag, context: Mapping[str, Any], segments: Mapping[str, Segment]) -> Result:
    """The variant of a flag for a context; ``context["targetingKey"]`` names who asks."""
    if not flag.enabled:
        return _result(flag, flag.off_variant, "DISABLED")
    for number, rule in enumerate(flag.rules):
        if all(_fits(condition, context, segments) for condition in rule.conditions):
            if rule.variant is not None:
                return _result(flag, rule.variant, "TARGETING_MATCH" if rule.conditions else "STATIC", number)
            variant = _share(flag, rule, context)
            if variant is not None:
                return _result(flag, variant, "SPLIT", number)
    return _result(flag, flag.default_variant, "STATIC")


def bucket(salt: str, value: str) -> int:
    """0 to 9,999, evenly spread by SHA-256; two flags' buckets are independent, for their salts differ."""
    digest = hashlib.sha256(f"{salt}\0{value}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % BUCKETS


def in_segment(segment: Segment, context: Mapping[str, Any]) -> bool:
    """Whether the context belongs to a segment."""
    key = context.get("targetingKey")
    if key in segment.excluded:
        return False
    if key in segment.included:
        return True
    return bool(segment.conditions) and all(_fits(condition, context, {}) for condition in segment.conditions)


def _share(flag: Flag, rule: Rule, context: Mapping[str, Any]) -> str | None:
    value = _look_up(context, rule.by)
    if value is _ABSENT or value is None:
        return None  # nobody to keep a promise to: the following rules decide
    place, end = bucket(flag.salt, str(value)), 0.0
    for share in rule.rollout:
        end += share.percent * BUCKETS / 100
        if place < round(end):
            return share.variant
    return None


def _result(flag: Flag, variant: str, reason: str, rule: int | None = None) -> Result:
    return Result(flag.key, flag.variants[variant], variant, reason, rule)


def _look_up(context: Mapping[str, Any], path: str) -> Any:
    if path in context:
        return context[path]
    value: Any = context
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return _ABSENT
        value = value[part]
    return value


def _fits(condition: Condition, context: Mapping[str, Any], segments: Mapping[str, Segment]) -> bool:
    operator, wanted = condition.operator, condition.value
    if operator in {"segment", "not_segment"}:
        segment = segments.get(str(wanted))
        return (segment is not None and in_segment(segment, context)) == (operator == "segment")
    value = _look_up(context, condition.attribute)
    if operator == "exists":
        return value is not _ABSENT and value is not None
    if operator == "missing":
        return value is _ABSENT or value is None
    if value is _ABSENT:
        return operator in {"is_not", "not_in"}
    return _OPERATORS[operator](value, wanted)


def _text(test: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    """A comparison of texts; of a list, one member that fits is enough."""

    def compare(value: Any, wanted: Any) -> bool:
        values: Iterable[Any] = value if isinstance(value, list) else (value,)
        return any(test(str(one), str(wanted)) for one in values)

    return compare


def _number(test: Callable[[float, float], bool]) -> Callable[[Any, Any], bool]:
    def compare(value: Any, wanted: Any) -> bool:
        try:
            return test(float(value), float(wanted))
        except (TypeError, ValueError):
            return False

    return compare


def _time(test: Callable[[datetime, datetime], bool]) -> Callable[[Any, Any], bool]:
    def compare(value: Any, wanted: Any) -> bool:
        try:
            return test(_instant(value), _instant(wanted))
        except (TypeError, ValueError):
            return False

    return compare


def _instant(value: Any) -> datetime:
    from datetime import UTC

    if isinstance(value, int | float) and not isinstance(value, bool):
        return datetime.fromtimestamp(value, UTC)
    found = datetime.fromisoformat(str(value))
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _version(test: Callable[[int], bool]) -> Callable[[Any, Any], bool]:
    def compare(value: Any, wanted: Any) -> bool:
        from semver import Version

        try:
            left = Version.parse(str(value), optional_minor_and_patch=True)
            return test(left.compare(Version.parse(str(wanted), optional_minor_and_patch=True)))
        except (TypeError, ValueError):
            return False

    return compare


def _same(value: Any, wanted: Any) -> bool:
    # `1 == True` in Python, and not in JSON
    return bool(value == wanted) and isinstance(value, bool) == isinstance(wanted, bool)


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "is": _same,
    "is_not": lambda value, wanted: not _same(value, wanted),
    "in": lambda value, wanted: any(_same(value, one) for one in wanted),
    "not_in": lambda value, wanted: not any(_same(value, one) for one in wanted),
    "contains": _text(lambda value, wanted: wanted in value),
    "starts_with": _text(str.startswith),
    "ends_with": _text(str.endswith),
    "matches": _text(lambda value, wanted: re.search(wanted, value[:1000]) is not None),
    "gt": _number(lambda a, b: a > b),
    "gte": _number(lambda a, b: a >= b),
    "lt": _number(lambda a, b: a < b),
    "lte": _number(lambda a, b: a <= b),
    "before": _time(lambda a, b: a < b),
    "after": _time(lambda a, b: a > b),
    "semver_gt": _version(lambda order: order > 0),
    "semver_gte": _version(lambda order: order >= 0),
    "semver_lt": _version(lambda order: order < 0),
    "semver_lte": _version(lambda order: order <= 0),
}
