"""What becomes of the tables tracked in GraphQL when plugins come, change and go."""

from __future__ import annotations

from typing import Any

from builtin_plugins.core.hasura.tracking import merged


def table(name: str, **filters: str) -> dict[str, Any]:
    made: dict[str, Any] = {"table": {"schema": "public", "name": name}}
    permissions = [{"role": role, "permission": {"columns": "*", "filter": {"by": by}}} for role, by in sorted(filters.items())]
    return made | ({"select_permissions": permissions} if permissions else {})


def test_a_new_table_is_tracked_and_what_is_in_line_is_left_alone() -> None:
    theirs = table("users", user="x")
    wanted = {"np_a_t": table("np_a_t", user="me")}
    tables, told = merged([theirs], wanted, {})
    assert tables == [theirs, wanted["np_a_t"]]
    assert told == ["tracked np_a_t"]
    assert merged(tables, wanted, wanted) == (tables, [])


def test_a_changed_permission_follows_the_plugin() -> None:
    before, wanted = {"np_a_t": table("np_a_t", user="old", guest="old")}, {"np_a_t": table("np_a_t", user="new")}
    assert merged([before["np_a_t"]], wanted, before) == ([wanted["np_a_t"]], ["changed np_a_t"])


def test_what_somebody_changed_by_hand_stays() -> None:
    before, wanted = {"np_a_t": table("np_a_t", user="old")}, {"np_a_t": table("np_a_t", user="new")}
    by_hand = table("np_a_t", user="mine", manager="all") | {"array_relationships": [{"name": "r"}]}
    assert merged([by_hand], wanted, before) == ([by_hand], [])


def test_a_plugins_table_is_untracked_when_it_goes_and_no_others() -> None:
    theirs, gone = table("np_by_hand"), {"np_a_t": table("np_a_t")}
    assert merged([theirs, gone["np_a_t"]], {}, gone) == ([theirs], ["untracked np_a_t"])


def test_a_table_of_that_name_in_another_schema_is_another() -> None:
    other = {"table": {"schema": "mine", "name": "np_a_t"}}
    wanted = {"np_a_t": table("np_a_t")}
    assert merged([other], wanted, wanted)[0] == [other, wanted["np_a_t"]]
