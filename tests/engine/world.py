"""Random schemas, rows and permissions of a role, what of them the role may use, and how they come into an engine."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from .naive import Row, holds
from .servers import Engine

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


def install(engine: Engine, world: World) -> None:
    engine.meta("clear_metadata", {})
    engine.sql(sql_of(world))
    done = engine.meta("replace_metadata", metadata_of(world))
    assert done.status_code == 200, done.text


def stored(engine: Engine, world: World) -> dict[str, list[Row]]:
    """What the tables hold, read as the admin."""
    parts = " ".join(f"{t}(order_by: {{id: asc}}) {{ id parent {' '.join(world.columns[t])} }}" for t in world.tables)
    return engine.ask("{ " + parts + " }")["data"]
