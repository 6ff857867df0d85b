"""Flags, rules and segments as the API takes and gives them."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, model_validator

Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]

Operator = Literal[
    "is", "is_not", "in", "not_in", "contains", "starts_with", "ends_with", "matches", "exists", "missing",
    "gt", "gte", "lt", "lte", "before", "after", "semver_gt", "semver_gte", "semver_lt", "semver_lte", "segment", "not_segment",
]  # fmt: skip

#: Operators that compare with a list.
LISTS = frozenset({"in", "not_in"})
#: Operators that look at no value.
BARE = frozenset({"exists", "missing"})


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Condition(_Closed):
    """One comparison: an attribute of the context (``plan``, ``address.country``) with a value.

    An attribute that the context lacks fits no operator but ``missing``, ``is_not``, ``not_in`` and ``not_segment``.
    ``segment`` and ``not_segment`` take a segment's key as value and no attribute. ``matches`` is a regular expression.
    """

    attribute: str = ""
    operator: Operator
    value: JsonValue = None

    @model_validator(mode="after")
    def _fits(self) -> Condition:
        if self.operator in {"segment", "not_segment"}:
            if self.attribute or not isinstance(self.value, str):
                raise ValueError(f"{self.operator} takes the segment's key as value, and no attribute")
            return self
        if not self.attribute:
            raise ValueError("attribute is missing")
        if self.operator in LISTS and not isinstance(self.value, list):
            raise ValueError(f"{self.operator} takes a list")
        if self.operator in BARE and self.value is not None:
            raise ValueError(f"{self.operator} takes no value")
        if self.operator == "matches":
            _check_expression(self.value)
        return self


def _check_expression(value: JsonValue) -> None:
    if not isinstance(value, str) or len(value) > 200:
        raise ValueError("matches takes a regular expression of at most 200 characters")
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"no regular expression: {error}") from None
    if re.search(r"[+*}]\)?[+*{]|\\[1-9]", value):
        # repeated repetitions and back-references can take exponential time
        raise ValueError("repetitions of repetitions and back-references are not taken")


class Share(_Closed):
    """A part of the traffic, in percent with two decimals."""

    variant: str
    percent: Annotated[float, Field(ge=0, le=100)]


class Rule(_Closed):
    """Whose context fits every condition gets ``variant``, or one of ``rollout`` by their bucket.

    A roll-out that sums to less than 100 % leaves the rest to the following rules. ``by`` is the attribute that a bucket
    is made of: ``targetingKey`` keeps a user's variant, ``company`` a whole company's.
    """

    description: str = ""
    conditions: tuple[Condition, ...] = ()
    variant: str | None = None
    rollout: tuple[Share, ...] = ()
    by: str = "targetingKey"

    @model_validator(mode="after")
    def _one(self) -> Rule:
        if (self.variant is None) == (not self.rollout):
            raise ValueError("give either a variant or a rollout")
        if sum(share.percent for share in self.rollout) > 100.0001:
            raise ValueError("the rollout sums to more than 100 %")
        return self


class FlagIn(_Closed):
    """A flag. ``variants`` are named values, all of one JSON type."""

    description: str = ""
    enabled: bool = False
    variants: Annotated[dict[Key, JsonValue], Field(min_length=1)] = {"on": True, "off": False}
    default_variant: str = "on"
    off_variant: str = "off"
    rules: tuple[Rule, ...] = ()
    public: bool = False

    @model_validator(mode="after")
    def _known(self) -> FlagIn:
        named = {self.default_variant, self.off_variant}
        for rule in self.rules:
            named |= {share.variant for share in rule.rollout} | ({rule.variant} if rule.variant is not None else set())
        unknown = sorted(named - self.variants.keys())
        if unknown:
            raise ValueError(f"there is no variant {unknown[0]!r}; there are {', '.join(sorted(self.variants))}")
        kinds = {_kind(value) for value in self.variants.values()}
        if len(kinds) > 1:
            raise ValueError(f"the variants are of different types: {', '.join(sorted(kinds))}")
        return self


def _kind(value: JsonValue) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return {str: "string", dict: "object", list: "list", type(None): "null"}[type(value)]


class Flag(FlagIn):
    model_config = ConfigDict(extra="ignore", frozen=True)

    key: str
    salt: Annotated[str, Field(exclude=True)]
    version: int
    updated_at: datetime


class SegmentIn(_Closed):
    """Users by targeting key or by conditions; who is excluded is never in it."""

    description: str = ""
    included: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()

    @model_validator(mode="after")
    def _flat(self) -> SegmentIn:
        if any(condition.operator in {"segment", "not_segment"} for condition in self.conditions):
            raise ValueError("a segment cannot refer to segments")
        return self


class Segment(SegmentIn):
    model_config = ConfigDict(extra="ignore", frozen=True)

    key: str
    updated_at: datetime


class Change(BaseModel):
    """A line of the history."""

    kind: Literal["flag", "segment"]
    key: str
    action: Literal["created", "changed", "deleted"]
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    actor: str
    at: datetime
