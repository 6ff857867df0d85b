"""Random schemas, permissions and operations of a role: the answer is that of a naive evaluation, or a refusal exactly where
the operation uses what the role may not; mutations change what they may and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from websockets.sync.client import connect

from .naive import Row, holds, ordered
from .servers import SECRET, Engine, running_engine, running_postgres

pytestmark = pytest.mark.slow

KINDS = {"int": [-2, -1, 0, 1, 2], "boolean": [False, True]}
NAMES = ("a", "b", "c")
ROLE = "r"
#: A world is made from a seed, and a failing seed is not looked for a smaller one: each trial makes a schema in a live database.
PHASES = [Phase.explicit, Phase.generate]
PROPERTY = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), phases=PHASES)
SEEDS = st.integers(0, 2**32)


def given_or_null(draw: Random, kind: str) -> Any:
    return draw.choice([None, *KINDS[kind]])


def some(draw: Random, kind: str) -> Any:
    return draw.choice(KINDS[kind])


class World:
    """Tables in a row, each with columns of its own and a parent in the one before; `access` is what the role may do.

    Where it is `generous` it may do most things, or hardly a mutation would write anything.
    """

    def __init__(self, draw: Random, *, generous: bool = False) -> None:
        self.draw, self.generous = draw, generous
        self.columns = {
            f"t{n}": {name: draw.choice(sorted(KINDS)) for name in NAMES[: draw.randint(1, 3)]} for n in range(draw.randint(2, 3))
        }
        self.tables = list(self.columns)
        self.rows: dict[str, list[Row]] = {}
        for number, table in enumerate(self.tables):
            parents = [row["id"] for row in self.rows[self.tables[number - 1]]] if number else []
            self.rows[table] = [
                {"id": i + 1, "parent": draw.choice([None, *parents])}
                | {name: given_or_null(draw, kind) for name, kind in self.columns[table].items()}
                for i in range(draw.randint(0, 4))
            ]
        self.access = {table: self._permission(table) for table in self.tables}

    def _permission(self, table: str) -> dict[str, Any]:
        draw, names = self.draw, sorted(self.columns[table])
        # Most of what is allowed is all of it, or hardly an operation would be.
        subset = lambda: names if self._mostly() else draw.sample(names, draw.randint(0, len(names)))  # noqa: E731
        rule = lambda depth: {} if self.generous and draw.randint(0, 1) else self.condition(table, depth, free=True)  # noqa: E731
        granted = lambda: self.generous or draw.choice((False, True))  # noqa: E731
        found: dict[str, Any] = {}
        if self.generous or draw.randint(0, 7):
            columns = ["id", *subset()]
            found["select"] = {"columns": columns, "filter": rule(1), "allow_aggregations": draw.choice((False, True))}
        if granted():
            found["insert"] = {"columns": ["id", "parent", *subset()], "check": rule(0)}
            if draw.choice((False, True)):
                preset = draw.choice(names)
                found["insert"]["set"] = {preset: some(draw, self.columns[table][preset])}
                found["insert"]["columns"] = [name for name in found["insert"]["columns"] if name != preset]
        for kind in ("update", "delete"):
            if granted():
                found[kind] = {"filter": rule(0)}
        if "update" in found:
            found["update"] |= {"columns": subset(), "check": rule(0)}
        return found

    def _mostly(self) -> bool:
        return self.draw.randint(0, 9 if self.generous else 2) > 0

    def links(self, table: str) -> dict[str, tuple[str, bool]]:
        """Relationship → (target, array)."""
        number = self.tables.index(table)
        found = {"up": (self.tables[number - 1], False)} if number else {}
        return found | ({"down": (self.tables[number + 1], True)} if number + 1 < len(self.tables) else {})

    def condition(self, table: str, depth: int, *, free: bool = False) -> dict[str, Any]:
        """A condition; one that is `free` may be of permissions, which need not be readable by the role."""
        draw = self.draw
        choice = draw.choice((0, 1, 2, 3, 3, 3, 4, 4))
        links = self.links(table)
        if choice == 0:
            return {}
        if choice == 1 and depth:
            return {draw.choice(["_and", "_or"]): [self.condition(table, 0, free=free) for _ in range(2)]}
        if choice == 2 and depth:
            return {"_not": self.condition(table, depth - 1, free=free)}
        if choice == 3 and depth and links:
            name = draw.choice(sorted(links))
            return {name: self.condition(links[name][0], depth - 1, free=free)}
        name = draw.choice(sorted(self.columns[table]))
        kind = self.columns[table][name]
        operator = draw.choice(["_eq", "_neq", "_is_null", *(["_gt", "_lte"] if kind == "int" else [])])
        return {name: {operator: draw.choice((False, True)) if operator == "_is_null" else some(draw, kind)}}

    # what a naive evaluation needs ---------------------------------------------------------------

    def near(self, name: str, row: Row, table: str, *, role: bool) -> list[tuple[str, Row]] | None:
        link = self.links(table).get(name)
        if link is None:
            return None
        target, array = link
        found = [o for o in self.rows[target] if (o["parent"] == row["id"] if array else o["id"] == row["parent"])]
        return [(target, other) for other in found if not role or self.visible(target, other)]

    def satisfies(self, table: str, condition: dict[str, Any], row: Row, *, role: bool) -> bool:
        """Conditions carry their table along, since a row does not know its own."""

        def near(name: str, marked: Row) -> list[Row] | None:
            found = self.near(name, marked, marked["#"], role=role)
            return None if found is None else [other | {"#": target} for target, other in found]

        return holds(condition, row | {"#": table}, near) is True

    def visible(self, table: str, row: Row) -> bool:
        rule = self.access[table].get("select")
        return rule is not None and self.satisfies(table, rule["filter"], row, role=False)

    def readable(self, table: str, name: str) -> bool:
        return name in self.access[table].get("select", {}).get("columns", ())

    def usable(self, table: str, condition: dict[str, Any]) -> bool:
        """Whether the role may name all that a condition names."""
        for key, value in condition.items():
            if key in ("_and", "_or"):
                fine = all(self.usable(table, item) for item in value)
            elif key == "_not":
                fine = self.usable(table, value)
            elif key in self.links(table):
                target = self.links(table)[key][0]
                fine = "select" in self.access[target] and self.usable(target, value)
            else:
                fine = self.readable(table, key)
            if not fine:
                return False
        return True


def sql_of(world: World) -> str:
    made = ["DROP SCHEMA public CASCADE; CREATE SCHEMA public;"]
    for number, table in enumerate(world.tables):
        columns = "".join(f", {name} {kind}" for name, kind in world.columns[table].items())
        reference = f" REFERENCES {world.tables[number - 1]}" if number else ""
        made.append(f"CREATE TABLE {table} (id int PRIMARY KEY, parent int{reference}{columns});")
        for row in world.rows[table]:
            cells = ", ".join("NULL" if value is None else str(value) for value in row.values())
            made.append(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({cells});")
    return "\n".join(made)


def metadata_of(world: World) -> dict[str, Any]:
    tables = []
    for number, table in enumerate(world.tables):
        entry: dict[str, Any] = {"table": {"schema": "public", "name": table}}
        if number:
            entry["object_relationships"] = [{"name": "up", "using": {"foreign_key_constraint_on": "parent"}}]
        if number + 1 < len(world.tables):
            child = {"schema": "public", "name": world.tables[number + 1]}
            using = {"foreign_key_constraint_on": {"table": child, "column": "parent"}}
            entry["array_relationships"] = [{"name": "down", "using": using}]
        for kind, permission in world.access[table].items():
            entry[f"{kind}_permissions"] = [{"role": ROLE, "permission": permission}]
        tables.append(entry)
    source = {"name": "default", "kind": "postgres", "tables": tables}
    return {"version": 3, "sources": [source | {"configuration": {"connection_info": {"database_url": {"from_env": "X"}}}}]}


def literal(value: Any) -> str:
    """A value as GraphQL writes it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    return json.dumps(value)


@pytest.fixture(scope="module")
def playground() -> Iterator[Engine]:
    with running_postgres() as server, running_engine(server.url, X=server.url) as engine:
        yield engine


def install(engine: Engine, world: World) -> None:
    engine.meta("clear_metadata", {})
    engine.sql(sql_of(world))
    done = engine.meta("replace_metadata", metadata_of(world))
    assert done.status_code == 200, done.text


def stored(engine: Engine, world: World) -> dict[str, list[Row]]:
    """What the tables hold, read as the admin."""
    parts = " ".join(f"{t}(order_by: {{id: asc}}) {{ id parent {' '.join(world.columns[t])} }}" for t in world.tables)
    return engine.ask("{ " + parts + " }")["data"]


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


class Answer:
    """What a mutation is asked to say of its rows: a role sees every row that it wrote, and of others what it may read."""

    def __init__(self, world: World, table: str) -> None:
        draw, self.world, self.table = world.draw, world, table
        self.returning = draw.choice((False, True))
        self.names = ["id", *draw.sample(sorted(world.columns[table]), draw.randint(0, len(world.columns[table])))]
        self.parent = world.links(table)["up"][0] if "up" in world.links(table) and draw.choice((False, True)) else None

    def selection(self) -> str:
        inner = " ".join([*self.names, *(["up { id }"] if self.parent else [])])
        return "affected_rows" + (f" returning {{ {inner} }}" if self.returning else "")

    def permitted(self) -> bool:
        world = self.world
        if not self.returning:
            return True
        return all(world.readable(self.table, name) for name in self.names) and (
            self.parent is None or "select" in world.access[self.parent]
        )

    def shown(self, row: Row) -> Row:
        found = {name: row[name] for name in self.names}
        if self.parent:
            above = self.world.near("up", row, self.table, role=True)
            found["up"] = {"id": above[0][1]["id"]} if above else None
        return found


class Write:
    """One random mutation of the role. `run` does it to the world's rows: what is answered, or None where it is refused."""

    def __init__(self, world: World) -> None:
        draw, self.world = world.draw, world
        self.table = draw.choice(world.tables)
        self.kind = draw.choice(["insert", "insert", "update", "delete"])
        self.names = sorted(world.columns[self.table])
        self.columns = world.columns[self.table]
        self.answer = Answer(world, self.table)
        self.permission = world.access[self.table].get(self.kind)
        self.where = world.condition(self.table, 0)
        self.name = draw.choice(self.names)
        self.value = given_or_null(draw, self.columns[self.name])
        taken = [row["id"] for row in world.rows[self.table]]
        allowed = [name for name in self.names if name in world.access[self.table].get("insert", {}).get("columns", ())]
        chosen = draw.sample(*draw.choice(((self.names, draw.randint(0, len(self.names))), (allowed, len(allowed)))))
        self.fresh: Row = {"id": draw.choice([50, *taken])} | {n: given_or_null(draw, self.columns[n]) for n in chosen}
        self.child = world.links(self.table)["down"][0] if "down" in world.links(self.table) and draw.choice((0, 0, 1)) else None
        self.lower = max((row["id"] for row in world.rows[self.child]), default=0) + 1 if self.child else 0
        self.upsert: list[str] | None = None
        if draw.choice((False, True)):
            self.upsert = draw.sample(self.names, draw.randint(0, len(self.names)))
        self.guarded = draw.choice((False, True))

    def text(self) -> str:
        if self.kind == "insert":
            objects = literal(self.fresh)[:-1] + (f", down: {{data: [{{id: {self.lower}}}]}}}}" if self.child else "}")
            conflict = ""
            if self.upsert is not None:
                where = f", where: {literal(self.where)}" if self.guarded else ""
                conflict = f", on_conflict: {{constraint: {self.table}_pkey, update_columns: [{', '.join(self.upsert)}]{where}}}"
            arguments = f"objects: [{objects}]{conflict}"
        else:
            change = f", _set: {{{self.name}: {literal(self.value)}}}" if self.kind == "update" else ""
            arguments = f"where: {literal(self.where)}{change}"
        return f"mutation {{ {self.kind}_{self.table}({arguments}) {{ {self.answer.selection()} }} }}"

    def run(self) -> Any:
        if self.permission is None or not self.answer.permitted():
            return None
        return {"insert": self._insert, "update": self._update, "delete": self._delete}[self.kind](self.permission)

    def _said(self, affected: int, shown: list[Row]) -> Any:
        return {"affected_rows": affected} | ({"returning": shown} if self.answer.returning else {})

    def _holds(self, rule: dict[str, Any], row: Row, *, role: bool = False) -> bool:
        return self.world.satisfies(self.table, rule, row, role=role)

    def _insert(self, permission: dict[str, Any]) -> Any:
        world, rows = self.world, self.world.rows[self.table]
        if not set(self.fresh) <= set(permission["columns"]):
            return None
        update = world.access[self.table].get("update", {})
        if self.upsert is not None and not set(self.upsert) <= set(update.get("columns", ())):
            return None
        if self.upsert and self.guarded and not world.usable(self.table, self.where):
            return None
        row = {"id": 50, "parent": None} | dict.fromkeys(self.names) | self.fresh | permission.get("set", {})
        known = next((one for one in rows if one["id"] == row["id"]), None)
        if known is None:
            check, written = permission["check"], row
        elif self.upsert is None:
            return None
        elif (
            not self.upsert
            or not self._holds(update["filter"], known)
            or (self.guarded and not self._holds(self.where, known, role=True))
        ):
            # Nothing is written; what hangs on the row cannot be, either.
            return None if self.child else self._said(0, [])
        else:
            check, written = update["check"], known | {name: row[name] for name in self.upsert}
        if not self._holds(check, written):
            return None
        # One statement sees the rows that were there before it; a nested insert reads back what it wrote.
        shown = self.answer.shown(written)
        world.rows[self.table] = sorted([written, *(one for one in rows if one is not known)], key=lambda one: one["id"])
        if self.child is None:
            return self._said(1, [shown])
        inner = world.access[self.child].get("insert")
        if inner is None or "id" not in inner["columns"]:
            return None
        lower = {"id": self.lower, "parent": row["id"]} | dict.fromkeys(world.columns[self.child]) | inner.get("set", {})
        if not world.satisfies(self.child, inner["check"], lower, role=False):
            return None
        world.rows[self.child].append(lower)
        return self._said(2, [self.answer.shown(written)])

    def _touched(self, permission: dict[str, Any]) -> list[Row]:
        rows = self.world.rows[self.table]
        return [row for row in rows if self._holds(permission["filter"], row) and self._holds(self.where, row, role=True)]

    def _update(self, permission: dict[str, Any]) -> Any:
        if not self.world.usable(self.table, self.where) or self.name not in permission["columns"]:
            return None
        changed = {row["id"]: row | {self.name: self.value} for row in self._touched(permission)}
        if not all(self._holds(permission["check"], row) for row in changed.values()):
            return None
        shown = [self.answer.shown(row) for row in changed.values()]
        self.world.rows[self.table] = [changed.get(row["id"], row) for row in self.world.rows[self.table]]
        return self._said(len(changed), shown)

    def _delete(self, permission: dict[str, Any]) -> Any:
        # A condition names columns, and those the role may not read it may not name either.
        if not self.world.usable(self.table, self.where):
            return None
        gone = self._touched(permission)
        identifiers = {row["id"] for row in gone}
        links = self.world.links(self.table)
        if "down" in links and any(row["parent"] in identifiers for row in self.world.rows[links["down"][0]]):
            return None
        shown = [self.answer.shown(row) for row in gone]
        self.world.rows[self.table] = [row for row in self.world.rows[self.table] if row["id"] not in identifiers]
        return self._said(len(gone), shown)


@PROPERTY
@given(seed=SEEDS)
def test_what_a_role_writes(playground: Engine, seed: int) -> None:
    world = World(Random(seed), generous=seed % 4 > 0)
    install(playground, world)
    for _ in range(8):
        before = {table: list(rows) for table, rows in world.rows.items()}
        assert stored(playground, world) == before
        write = Write(world)
        wanted = write.run()
        if wanted is None:
            world.rows = before
        text = write.text()
        answer = playground.ask(text, role=ROLE)
        if wanted is None:
            assert "data" not in answer, (text, answer)
        else:
            found = answer["data"][f"{write.kind}_{write.table}"] if "data" in answer else answer
            if "returning" in found:
                found["returning"].sort(key=lambda row: row["id"])
            assert found == wanted, (text, answer)
        assert stored(playground, world) == world.rows, text
