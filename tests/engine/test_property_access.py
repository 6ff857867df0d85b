"""Random schemas, permissions and queries of a role: the answer is that of a naive evaluation, or a refusal exactly where the
query uses what the role may not."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from websockets.sync.client import connect

from .naive import Row, ordered
from .servers import SECRET, Engine
from .world import PROPERTY, ROLE, SEEDS, World, install, literal

pytestmark = pytest.mark.slow


class Query:
    """One random selection: its text, whether the role may ask it, and what a naive evaluation answers."""

    def __init__(self, world: World, table: str, depth: int) -> None:
        draw, self.world, self.table = world.draw, world, table
        self.names = draw.sample(["id", *sorted(world.columns[table])], draw.randint(1, 1 + len(world.columns[table])))
        self.where = world.condition(table, 2)
        self.order = draw.choice([None, *sorted(world.columns[table])])
        self.direction = draw.choice(["asc", "desc"])
        self.through = draw.choice((False, True)) and "up" in world.links(table)
        self.limit = draw.choice((None, 0, 1, 2, 3))
        self.aggregate = draw.randint(0, 3) == 0
        self.inner: dict[str, Query] = {}
        if depth:
            for name, (target, _) in world.links(table).items():
                if draw.choice((False, True)):
                    self.inner[name] = Query(world, target, depth - 1)
        parent = world.links(table)["up"][0] if self.through else table
        self.order_column = draw.choice(sorted(world.columns[parent])) if self.through else self.order

    def arguments(self) -> str:
        keys = []
        if self.order_column is not None:
            inner = f"{{{self.order_column}: {self.direction}}}"
            keys.append(f"{{up: {inner}}}" if self.through else inner)
        limit = "" if self.limit is None else f", limit: {self.limit}"
        return f"(where: {literal(self.where)}, order_by: [{', '.join([*keys, '{id: asc}'])}]{limit})"

    def selection(self) -> str:
        parts = list(self.names)
        for name, query in self.inner.items():
            array = self.world.links(self.table)[name][1]
            parts.append(f"{name}{query.arguments() if array else ''} {{ {query.selection()} }}")
            if array and query.aggregate:
                parts.append(f"{name}_aggregate(where: {literal(query.where)}) {{ aggregate {{ count }} }}")
        return " ".join(parts)

    def permitted(self, *, rows: bool = True) -> bool:
        world, table = self.world, self.table
        if "select" not in world.access[table] or not all(world.readable(table, name) for name in self.names):
            return False
        if rows:
            if not world.usable(table, self.where):
                return False
            if self.order_column is not None:
                owner = world.links(table)["up"][0] if self.through else table
                if not world.readable(owner, self.order_column):
                    return False
        for name, query in self.inner.items():
            array = world.links(table)[name][1]
            if not query.permitted(rows=array):
                return False
            if array and query.aggregate and not world.access[query.table]["select"]["allow_aggregations"]:
                return False
        return True

    def matching(self, candidates: list[Row]) -> list[Row]:
        world, table = self.world, self.table
        return [row for row in candidates if world.visible(table, row) and world.satisfies(table, self.where, row, role=True)]

    def order_value(self, row: Row) -> Any:
        if not self.through:
            return row[self.order_column]
        found = self.world.near("up", row, self.table, role=True)
        return found[0][1][self.order_column] if found else None

    def answer(self, candidates: list[Row]) -> list[Row]:
        keys = [(lambda row: row["id"], "asc")]
        if self.order_column is not None:
            keys.insert(0, (self.order_value, self.direction))
        return [self.shown(row) for row in ordered(self.matching(candidates), keys)[: self.limit]]

    def shown(self, row: Row) -> Row:
        found = {name: row[name] for name in self.names}
        for name, query in self.inner.items():
            array = self.world.links(self.table)[name][1]
            others = [other for _, other in self.world.near(name, row, self.table, role=True) or ()]
            if array:
                found[name] = query.answer(others)
                if query.aggregate:
                    found[f"{name}_aggregate"] = {"aggregate": {"count": len(query.matching(others))}}
            else:
                found[name] = query.shown(others[0]) if others else None
        return found


def first_event(engine: Engine, text: str) -> Any:
    """The first message of a subscription of the role."""
    url = engine.base.replace("http", "ws") + "/v1/graphql"
    with connect(url, subprotocols=["graphql-transport-ws"]) as socket:
        headers = {"x-hasura-admin-secret": SECRET, "x-hasura-role": ROLE}
        socket.send(json.dumps({"type": "connection_init", "payload": {"headers": headers}}))
        socket.recv()
        socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": {"query": text}}))
        message = json.loads(socket.recv(20))
        return message["payload"] if message["type"] == "next" else {"errors": message["payload"]}


@PROPERTY
@given(seed=SEEDS)
def test_what_a_role_reads(playground: Engine, seed: int) -> None:
    world = World(Random(seed))
    install(playground, world)
    for number in range(12):
        query = Query(world, world.draw.choice(world.tables), 2)
        field = f"{query.table}{query.arguments()} {{ {query.selection()} }}"
        answer = playground.ask(f"{{ {field} }}", role=ROLE)
        if query.permitted():
            wanted = {"data": {query.table: query.answer(world.rows[query.table])}}
            assert answer == wanted, field
        else:
            wanted = None
            assert "errors" in answer, field
            assert "data" not in answer
        if number == 0:
            event = first_event(playground, f"subscription {{ {field} }}")
            assert event == wanted if wanted is not None else "errors" in event
        count = playground.ask(
            f"{{ {query.table}_aggregate(where: {literal(query.where)}) {{ aggregate {{ count }} }} }}", role=ROLE
        )
        rule = world.access[query.table].get("select", {})
        if rule.get("allow_aggregations") and world.usable(query.table, query.where):
            expected = len(query.matching(world.rows[query.table]))
            assert count == {"data": {f"{query.table}_aggregate": {"aggregate": {"count": expected}}}}
        else:
            assert "errors" in count
    shown = playground.ask("{ __schema { types { name fields { name } inputFields { name } } } }", role=ROLE)["data"]
    kinds = {kind["name"]: kind for kind in shown["__schema"]["types"]}
    for table in world.tables:
        for suffix in ("", "_bool_exp", "_order_by"):
            kind = kinds.get(table + suffix)
            listed = {item["name"] for item in (kind["fields"] or kind["inputFields"])} if kind else set()
            for name in world.columns[table]:
                assert (name in listed) is world.readable(table, name) or (kind is None and not world.readable(table, name))
