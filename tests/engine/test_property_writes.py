"""Random mutations of a role on random schemas: they change what they may and nothing else, and are refused exactly where
they use what the role may not."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given

from .naive import Row
from .servers import Engine
from .world import PROPERTY, ROLE, SEEDS, World, given_or_null, install, literal, stored

pytestmark = pytest.mark.slow


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
