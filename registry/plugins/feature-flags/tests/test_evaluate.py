"""Evaluation: targeting, sticky and even roll-outs, the kill switch."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest
from nself_plugin_feature_flags.evaluate import bucket, evaluate, in_segment
from nself_plugin_feature_flags.model import Condition, Flag, FlagIn, Rule, Segment, Share

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def flag(**fields: object) -> Flag:
    return Flag(**{"key": "checkout", "salt": "s1", "version": 1, "updated_at": NOW, "enabled": True, **fields})


def share(variant: str, percent: float) -> dict[str, object]:
    return {"variant": variant, "percent": percent}


def on_if(operator: str, value: object) -> dict[str, object]:
    return {"rules": [{"variant": "on", "conditions": [{"attribute": "a", "operator": operator, "value": value}]}]}


def test_the_kill_switch_beats_every_rule() -> None:
    off = flag(enabled=False, rules=(Rule(variant="on"),))
    assert (evaluate(off, {}, {}).value, evaluate(off, {}, {}).reason) == (False, "DISABLED")


def test_the_first_rule_that_fits_decides() -> None:
    one = flag(
        default_variant="off",
        rules=(
            Rule(conditions=(Condition(attribute="plan", operator="is", value="pro"),), variant="on"),
            Rule(conditions=(Condition(attribute="address.country", operator="in", value=["AT", "DE"]),), variant="off"),
        ),
    )
    result = evaluate(one, {"plan": "pro", "address": {"country": "AT"}}, {})
    assert (result.value, result.reason, result.rule) == (True, "TARGETING_MATCH", 0)
    assert evaluate(one, {"plan": "free", "address": {"country": "AT"}}, {}).rule == 1
    assert evaluate(one, {"plan": "free"}, {}).reason == "STATIC"


@pytest.mark.parametrize(
    ("operator", "value", "wanted", "fits"),
    [
        ("is", True, True, True), ("is", 1, True, False), ("is", 1, 1.0, True), ("is_not", "a", "b", True),
        ("in", "b", ["a", "b"], True), ("not_in", "c", ["a", "b"], True),
        ("contains", "hello", "ell", True), ("contains", ["x", "y"], "y", True), ("starts_with", "hello", "he", True),
        ("ends_with", "a@b.example", "@b.example", True), ("matches", "v12", r"^v\d+$", True),
        ("matches", "w12", r"^v\d+$", False),
        ("gt", 3, 2, True), ("gt", "3", 2, True), ("gt", "x", 2, False), ("lte", 2, 2, True),
        ("before", "2026-01-01", "2026-02-01T00:00:00Z", True), ("after", 1_900_000_000, "2026-02-01", True),
        ("before", "no date", "2026-02-01", False),
        ("semver_gte", "1.10.0", "1.9", True), ("semver_lt", "1.10.0", "1.9", False), ("semver_gt", "2.0.0", "2.0.0-rc.1", True),
        ("semver_gt", "x", "1.0.0", False), ("exists", 0, None, True), ("missing", None, None, True),
    ],
)  # fmt: skip
def test_each_operator(operator: str, value: object, wanted: object, fits: bool) -> None:
    rule = Rule(conditions=(Condition(attribute="a", operator=operator, value=wanted),), variant="on")
    assert evaluate(flag(default_variant="off", rules=(rule,)), {"a": value}, {}).value is fits


@pytest.mark.parametrize(
    ("operator", "fits"), [("is", False), ("is_not", True), ("not_in", True), ("exists", False), ("missing", True), ("lt", False)]
)
def test_an_absent_attribute(operator: str, fits: bool) -> None:
    value = None if operator in {"exists", "missing"} else ["x"] if operator == "not_in" else 1
    rule = Rule(conditions=(Condition(attribute="a", operator=operator, value=value),), variant="on")
    assert evaluate(flag(default_variant="off", rules=(rule,)), {}, {}).value is fits


def test_a_rollout_is_even_sticky_and_grows_without_moving_anyone() -> None:
    def at(percent: float) -> set[int]:
        one = flag(default_variant="off", rules=(Rule(rollout=(Share(variant="on", percent=percent),)),))
        return {n for n in range(5_000) if evaluate(one, {"targetingKey": f"user-{n}"}, {}).value}

    ten, half = at(10), at(50)
    assert abs(len(ten) / 5_000 - 0.10) < 0.02
    assert abs(len(half) / 5_000 - 0.50) < 0.03
    assert ten < half
    assert at(10) == ten
    assert at(0) == set()
    assert len(at(100)) == 5_000


def test_buckets_of_two_flags_are_independent() -> None:
    both = sum(bucket("s1", f"u{n}") < 5000 and bucket("s2", f"u{n}") < 5000 for n in range(5_000))
    assert abs(both / 5_000 - 0.25) < 0.03


def test_variants_share_the_traffic_and_a_company_stays_together() -> None:
    one = flag(
        variants={"a": "red", "b": "green", "c": "blue"},
        default_variant="a",
        off_variant="a",
        rules=(
            Rule(
                by="company",
                rollout=(Share(variant="a", percent=20), Share(variant="b", percent=30), Share(variant="c", percent=50)),
            ),
        ),
    )
    seen = Counter(evaluate(one, {"company": f"c{n}", "targetingKey": "x"}, {}).value for n in range(5_000))
    assert [round(seen[colour] / 5_000, 1) for colour in ("red", "green", "blue")] == [0.2, 0.3, 0.5]
    assert evaluate(one, {"targetingKey": "x"}, {}).reason == "STATIC"  # no company: nobody to keep a promise to


def test_segments() -> None:
    segment = Segment(
        key="staff",
        updated_at=NOW,
        included=("u1",),
        excluded=("u2",),
        conditions=(Condition(attribute="email", operator="ends_with", value="@example.com"),),
    )
    assert in_segment(segment, {"targetingKey": "u1"})
    assert in_segment(segment, {"targetingKey": "u3", "email": "a@example.com"})
    assert not in_segment(segment, {"targetingKey": "u2", "email": "a@example.com"})
    rule = Rule(conditions=(Condition(operator="segment", value="staff"),), variant="on")
    assert evaluate(flag(default_variant="off", rules=(rule,)), {"targetingKey": "u1"}, {"staff": segment}).value is True
    assert evaluate(flag(default_variant="off", rules=(rule,)), {"targetingKey": "u1"}, {}).value is False


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"default_variant": "maybe"}, "no variant 'maybe'"),
        ({"variants": {"on": True, "off": "no"}}, "different types"),
        ({"rules": [{"variant": "on", "rollout": [{"variant": "on", "percent": 5}]}]}, "either a variant or a rollout"),
        ({"rules": [{"rollout": [share("on", 60), share("off", 60)]}]}, "more than 100"),
        (on_if("matches", "(a+)+$"), "repetitions"),
        (on_if("matches", "("), "no regular expression"),
        (on_if("in", "x"), "takes a list"),
        ({"colour": "red"}, "Extra inputs"),
    ],
)  # fmt: skip
def test_a_flag_that_makes_no_sense_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FlagIn.model_validate(fields)
