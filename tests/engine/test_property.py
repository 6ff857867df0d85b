"""Random rows, random permissions, random conditions: what the engine answers is what a naive evaluation in Python says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from . import naive
from .naive import Row
from .servers import Engine, running_engine, running_postgres

pytestmark = pytest.mark.slow

COLUMNS = {"a": "int", "b": "int", "t": "text", "f": "boolean"}
VALUES = {
    "int": st.none() | st.integers(-3, 3),
    "text": st.none() | st.sampled_from(["", "x", "X%", "a'b", 'q"', "é", "x-y"]),
    "boolean": st.none() | st.booleans(),
}
ROW = st.fixed_dictionaries({name: VALUES[kind] for name, kind in COLUMNS.items()} | {"parent": st.none() | st.integers(1, 4)})


@st.composite
def leaf(draw: Any) -> dict[str, Any]:
    name = draw(st.sampled_from(sorted(COLUMNS)))
    kind = COLUMNS[name]
    value = VALUES[kind].filter(lambda v: v is not None)
    choice = draw(st.integers(0, 3))
    if choice == 0:
        return {name: {"_is_null": draw(st.booleans())}}
    if choice == 1:
        return {name: {draw(st.sampled_from(["_in", "_nin"])): draw(st.lists(value, max_size=3))}}
    operators = ["_eq", "_neq"] if kind != "int" else sorted(naive.COMPARE)
    return {name: {draw(st.sampled_from(operators)): draw(value)}}


CONDITION = st.recursive(
    leaf() | st.just({}),
    lambda inner: (
        st.fixed_dictionaries({"_and": st.lists(inner, max_size=3)})
        | st.fixed_dictionaries({"_or": st.lists(inner, max_size=3)})
        | st.fixed_dictionaries({"_not": inner})
        | st.fixed_dictionaries({"up": inner})
        | st.fixed_dictionaries({"down": inner})
    ),
    max_leaves=6,
)


def holds(condition: dict[str, Any], row: Row, rows: list[Row], visible: Callable[[Row], bool]) -> bool | None:
    """`visible` says which related rows count."""

    def near(name: str, one: Row) -> list[Row] | None:
        if name == "up":
            return [other for other in rows if other["id"] == one["parent"] and visible(other)]
        return [other for other in rows if other["parent"] == one["id"] and visible(other)] if name == "down" else None

    return naive.holds(condition, row, near)


@pytest.fixture(scope="module")
def playground() -> Iterator[Engine]:
    with running_postgres() as server, running_engine(server.url) as engine:
        columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
        engine.sql(f"CREATE TABLE node (id int PRIMARY KEY, parent int, {columns})")
        assert engine.meta("pg_track_table", {"table": "node"}).status_code == 200
        for name, kind, mapping in (("up", "object", {"parent": "id"}), ("down", "array", {"id": "parent"})):
            using = {"manual_configuration": {"remote_table": "node", "column_mapping": mapping}}
            made = engine.meta(f"pg_create_{kind}_relationship", {"table": "node", "name": name, "using": using})
            assert made.status_code == 200, made.text
        yield engine


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    rows=st.lists(ROW, max_size=5),
    where=CONDITION,
    rule=CONDITION,
    readable=st.sets(st.sampled_from(sorted(COLUMNS)), min_size=1),
)
def test_engine_agrees_with_a_naive_evaluation(
    playground: Engine, rows: list[dict], where: dict, rule: dict, readable: set[str]
) -> None:
    numbered = [{"id": number + 1} | row for number, row in enumerate(rows)]
    playground.sql("TRUNCATE node")
    if numbered:
        insert = "mutation ($o: [node_insert_input!]!) { insert_node(objects: $o) { affected_rows } }"
        assert playground.ask(insert, {"o": numbered})["data"]["insert_node"]["affected_rows"] == len(numbered)
    playground.meta("pg_drop_select_permission", {"table": "node", "role": "r"})
    permission = {"columns": ["id", *sorted(readable)], "filter": rule}
    made = playground.meta("pg_create_select_permission", {"table": "node", "role": "r", "permission": permission})
    assert made.status_code == 200, made.text

    everything = lambda _: True  # noqa: E731
    text = "query ($w: node_bool_exp!) { node(where: $w, order_by: {id: asc}) { id up { id } down(order_by: {id: asc}) { id } } }"
    admin = playground.ask(text, {"w": where})
    assert [r["id"] for r in admin["data"]["node"]] == [
        r["id"] for r in numbered if holds(where, r, numbered, everything) is True
    ]

    allowed = lambda row: holds(rule, row, numbered, everything) is True  # noqa: E731
    answer = playground.ask(text, {"w": where}, role="r")
    used = set(re.findall(r"'(a|b|t|f)': \{", str(where)))
    if used - readable:
        assert "errors" in answer
        answer = playground.ask(text, {"w": {}}, role="r")
        where = {}
    expected = [r for r in numbered if allowed(r) and holds(where, r, numbered, allowed) is True]
    assert answer["data"]["node"] == [
        {
            "id": r["id"],
            "up": next(({"id": o["id"]} for o in numbered if o["id"] == r["parent"] and allowed(o)), None),
            "down": [{"id": o["id"]} for o in numbered if o["parent"] == r["id"] and allowed(o)],
        }
        for r in expected
    ]
    for hidden in set(COLUMNS) - readable:
        assert "errors" in playground.ask(f"{{ node {{ {hidden} }} }}", role="r")
