"""Migrations of plugins on a real database: under their own role, whole or not at all, undone, dropped; and hostile ones."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hookspecs import UserError
from nself_core.workspace import Workspace
from tests import plugin_home
from tests.conftest import Nself
from tests.native_project import NativeProject, native_project

pytestmark = pytest.mark.slow


class Bench:
    """One running database; each test has plugins of its own in a home that they share."""

    def __init__(self, project: NativeProject, home: Path, place: Path) -> None:
        self.project = project
        self.home = home
        self.place = place

    def plugin(self, name: str, files: dict[str, str], **manifest: Any) -> Path:
        """Write and enable a plugin of SQL files alone."""
        folder = self.place / name
        folder.mkdir()
        self.change(name, files, **manifest)
        plugin_home.link(self.home, name, folder)
        self.enable(name)
        return folder

    def change(self, name: str, files: dict[str, str], **manifest: Any) -> None:
        folder = self.place / name
        fields = {"name": name, "version": "1.0.0", "summary": "A plugin of a test.", **manifest}
        (folder / "plugin.json").write_text(json.dumps(fields))
        for path, text in files.items():
            (folder / "schema").mkdir(exist_ok=True)
            (folder / "schema" / path).write_text(text)

    def enable(self, *names: str) -> None:
        plugin_home.enable(self.project.root, *names)

    def apply(self) -> list[tuple[str, str]]:
        return self.migrator().apply()

    def migrator(self) -> Any:
        return Workspace.open(start=self.project.root).runtime("native").migrator()

    def sql(self, text: str) -> str:
        """As the database's owner."""
        answer: str = self.migrator()._sql.run(text)
        return answer.strip()

    def tables(self, role: str) -> list[str]:
        return self.sql(f"SELECT tablename FROM pg_tables WHERE tableowner = '{role}' ORDER BY 1").split()


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    place = tmp_path_factory.mktemp("migrations")
    before = os.environ.get("NSELF_HOME")
    os.environ["NSELF_HOME"] = str(place / "home")
    try:
        with native_project(place / "project") as project:
            project.start()
            yield Bench(project, place / "home", place)
    finally:
        os.environ.pop("NSELF_HOME")
        if before is not None:
            os.environ["NSELF_HOME"] = before


@pytest.fixture(autouse=True)
def own_home() -> None:
    """The module's home, not one of each test."""


def test_each_is_applied_once_by_the_plugins_role_and_undone_in_reverse(bench: Bench) -> None:
    files = {
        "001_a.sql": "CREATE TYPE np_shop_state AS ENUM ('new', 'old');\nCREATE TABLE np_shop_a (s np_shop_state, t text);",
        "001_a.down.sql": "DROP TABLE np_shop_a; DROP TYPE np_shop_state;",
        "002_b.sql": "CREATE TABLE np_shop_b (id serial PRIMARY KEY, a int REFERENCES np_shop_b);\n"
        "INSERT INTO np_shop_b (a) VALUES (1);\n"
        "CREATE FUNCTION np_shop_touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;\n"
        "CREATE TRIGGER t BEFORE UPDATE ON np_shop_b FOR EACH ROW EXECUTE FUNCTION np_shop_touch();",
        "002_b.down.sql": "DROP TABLE np_shop_b; DROP FUNCTION np_shop_touch();",
    }
    bench.plugin("shop", files, tables=["np_shop_a", "np_shop_b"])
    assert bench.apply() == [("shop", "001_a"), ("shop", "002_b")]
    assert bench.apply() == []
    assert bench.tables("np_shop") == ["np_shop_a", "np_shop_b"]
    assert bench.sql("SELECT has_schema_privilege('np_shop', 'public', 'CREATE')") == "f"
    assert {(m.id, m.state) for m in bench.migrator().status() if m.plugin == "shop"} == {
        ("001_a", "applied"),
        ("002_b", "applied"),
    }
    assert bench.migrator().undo("shop") == ["002_b"]
    assert bench.tables("np_shop") == ["np_shop_a"]
    assert bench.apply() == [("shop", "002_b")]
    assert bench.migrator().undo("shop", down_to="") == ["002_b", "001_a"]
    assert bench.tables("np_shop") == []
    assert bench.migrator().undo("shop") == []


def test_one_that_fails_half_way_leaves_nothing(bench: Bench) -> None:
    files = {
        "001.sql": "CREATE TABLE np_half_a (x int);",
        "002.sql": "CREATE TABLE np_half_b (x int); INSERT INTO np_half_b VALUES (1); SELECT 1/0;",
        "003.sql": "CREATE TABLE np_half_c (x int);",
    }
    bench.plugin("half", files, tables=["np_half_a", "np_half_b", "np_half_c"])
    with pytest.raises(UserError, match="half: 002") as error:
        bench.apply()
    assert "division by zero" in error.value.where
    assert bench.tables("np_half") == ["np_half_a"]
    states = {m.id: m.state for m in bench.migrator().status() if m.plugin == "half"}
    assert states == {"001": "applied", "002": "pending", "003": "pending"}
    assert bench.sql("SELECT has_schema_privilege('np_half', 'public', 'CREATE')") == "f"
    bench.change("half", {"002.sql": "CREATE TABLE np_half_b (x int);"}, tables=["np_half_a", "np_half_b", "np_half_c"])
    assert bench.apply() == [("half", "002"), ("half", "003")]


def test_one_that_cannot_be_undone_stops_all(bench: Bench) -> None:
    files = {"001.sql": "CREATE TABLE np_stuck_a (x int);", "002.sql": "CREATE TABLE np_stuck_b (x int);"}
    bench.plugin("stuck", {**files, "002.down.sql": "DROP TABLE np_stuck_b;"}, tables=["np_stuck_a", "np_stuck_b"])
    bench.apply()
    with pytest.raises(UserError, match="001 cannot be undone"):
        bench.migrator().undo("stuck", down_to="")
    assert bench.tables("np_stuck") == ["np_stuck_a", "np_stuck_b"]
    with pytest.raises(UserError, match="no migration 'x'"):
        bench.migrator().undo("stuck", down_to="x")


def test_a_changed_one_is_refused(bench: Bench) -> None:
    bench.plugin("turn", {"001.sql": "CREATE TABLE np_turn_a (x int);"}, tables=["np_turn_a"])
    bench.apply()
    bench.change("turn", {"001.sql": "CREATE TABLE np_turn_a (x text);"}, tables=["np_turn_a"])
    with pytest.raises(UserError, match="was changed after it had been applied"):
        bench.apply()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("unlisted", "CREATE TABLE np_unlisted_x (x int)", "np_unlisted_x"),
        ("others", "CREATE TABLE customers (x int)", "customers"),
        ("view", "CREATE VIEW np_view_v AS SELECT 1", "np_view_v"),
        ("function", "CREATE FUNCTION lower(int) RETURNS int LANGUAGE sql AS 'SELECT 1'", "lower"),
        ("schema", "CREATE SCHEMA mine", "permission denied"),
        ("role", "RESET ROLE; CREATE ROLE more SUPERUSER", 'cannot set parameter "role"'),
        ("session", "SET SESSION AUTHORIZATION postgres", "cannot set parameter"),
        ("commit", "CREATE TABLE np_commit_x (x int); COMMIT; SELECT 1", "EXECUTE of transaction commands"),
        ("ledger", "DELETE FROM nself.migrations", "permission denied"),
        ("files", "COPY (SELECT 1) TO '/tmp/np_files'", "permission denied"),
        ("program", "COPY (SELECT 1) TO PROGRAM 'touch /tmp/np_program'", "permission denied"),
        ("shell", "SELECT 1;\n\\! touch /tmp/np_shell\n", "syntax error"),
        ("quote", "SET standard_conforming_strings = off; SELECT '\\'; \\! touch /tmp/np_quote'", ""),
        ("untrusted", "CREATE EXTENSION dblink", "permission denied"),
        (
            "operator",
            "CREATE FUNCTION np_operator_f(varchar, varchar) RETURNS bool LANGUAGE sql AS 'SELECT true';"
            "CREATE OPERATOR = (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = np_operator_f)",
            "operator public.=(character varying,character varying)",
        ),
        (
            "definer",
            "CREATE FUNCTION np_definer_f() RETURNS void LANGUAGE plpgsql AS 'BEGIN SET ROLE postgres; END';"
            "SELECT np_definer_f()",
            "cannot set parameter",
        ),
        ("default", "CREATE TABLE np_default_listed (f text DEFAULT pg_read_file('/etc/passwd'))", "call of pg_read_file(text)"),
        (
            "afterwards",
            "CREATE TABLE np_afterwards_listed (f xml);"
            "ALTER TABLE np_afterwards_listed ALTER f SET DEFAULT query_to_xml('SELECT * FROM np_turn_a', true, true, '')",
            "call of query_to_xml(",
        ),
        ("check", "CREATE TABLE np_check_listed (o oid CHECK (lo_export(o, '/tmp/np_files') = 1))", "call of lo_export("),
        (
            "viewing",
            "CREATE VIEW np_viewing_listed AS SELECT * FROM ts_stat('SELECT t FROM np_turn_a')",
            "call of ts_stat(text)",
        ),
        ("domain", "CREATE DOMAIN np_domain_d AS text DEFAULT set_config('role', 'postgres', false)", "call of set_config("),
        (
            "search",
            "CREATE TEXT SEARCH CONFIGURATION english (COPY = pg_catalog.english)",
            "text search configuration public.english",
        ),
        ("neighbour", "ALTER TABLE np_turn_a ADD y int", "must be owner"),
    ],
)
def test_what_a_plugin_may_not_do_is_refused(bench: Bench, name: str, text: str, said: str) -> None:
    bench.plugin(name, {"001.sql": text}, tables=[f"np_{name}_listed"])
    try:
        bench.apply()
        refused = ""
    except UserError as error:
        refused = error.where
    if said:
        assert said in refused
    assert bench.tables(f"np_{name}") == []
    assert bench.sql("SELECT count(*) FROM pg_roles WHERE rolname = 'more'") == "0"
    for mark in ("np_files", "np_program", "np_shell", "np_quote"):
        assert not (Path("/tmp") / mark).exists()


def test_defaults_of_its_sessions_do_not_change_how_literals_are_read(bench: Bench) -> None:
    """A role may set defaults for itself; psql reads a backslash in a literal by one of them."""
    bench.plugin("defaults", {"001.sql": "CREATE TABLE np_defaults_a (x int);"}, tables=["np_defaults_a"])
    bench.apply()
    bench.sql("ALTER ROLE np_defaults SET standard_conforming_strings = off")
    bench.change("defaults", {"002.sql": "SELECT 'a\\';\n\\! touch /tmp/np_defaults\n--'"}, tables=["np_defaults_a"])
    try:
        bench.apply()
    except UserError as error:
        assert "psql" not in error.message
    assert not Path("/tmp/np_defaults").exists()


def test_deferred_work_has_no_more_rights_than_the_rest(bench: Bench) -> None:
    """What a trigger does at the end of the transaction runs as the plugin too."""
    text = (
        "CREATE TABLE np_late_a (x int);"
        "CREATE FUNCTION np_late_f() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN EXECUTE 'CREATE ROLE late SUPERUSER'; RETURN NULL; END $$;"
        "CREATE CONSTRAINT TRIGGER t AFTER INSERT ON np_late_a DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION np_late_f();"
        "INSERT INTO np_late_a VALUES (1);"
    )
    bench.plugin("late", {"001.sql": text}, tables=["np_late_a"])
    with pytest.raises(UserError):
        bench.apply()
    assert bench.sql("SELECT count(*) FROM pg_roles WHERE rolname = 'late'") == "0"
    assert bench.tables("np_late") == []


@pytest.mark.parametrize("way", ["as it was made", "changed later", "made before nself saw to it"])
def test_who_writes_its_tables_lends_it_no_rights(bench: Bench, way: str) -> None:
    """GraphQL writes to them as superuser; what triggers, defaults and views run is the plugin's and runs as the plugin."""
    name = "lend_" + way.split(maxsplit=1)[0]
    code = "BEGIN {result} := current_user; EXECUTE 'ALTER ROLE np_{name} CREATEROLE'; {back}"
    caught = "EXCEPTION WHEN insufficient_privilege THEN {back} END"
    trigger, plain = (
        (code + caught).format(name=name, result=result, back=back)
        for result, back in (("NEW.by_trigger", "RETURN NEW;"), ("found_user", "RETURN found_user;"))
    )
    text = f"""
        CREATE FUNCTION np_{name}_d() RETURNS text LANGUAGE plpgsql AS $$ DECLARE found_user text; {plain} $$;
        CREATE FUNCTION np_{name}_t() RETURNS trigger LANGUAGE plpgsql AS $$ {trigger} $$;
        CREATE TABLE np_{name}_a (id int, by_trigger text, by_default text DEFAULT np_{name}_d());
        CREATE TRIGGER t BEFORE INSERT ON np_{name}_a FOR EACH ROW EXECUTE FUNCTION np_{name}_t();
        CREATE VIEW np_{name}_v AS SELECT np_{name}_d() AS by_view;
    """
    bench.plugin(name.replace("_", "-"), {"001.sql": text}, tables=[f"np_{name}_a", f"np_{name}_v"])
    bench.apply()
    back = "; ".join(f"ALTER FUNCTION np_{name}_{one}() SECURITY INVOKER" for one in "dt")
    if way == "changed later":
        bench.sql(f"SET ROLE np_{name}; {back}")
    if way == "made before nself saw to it":
        bench.sql(f"SET event_triggers = off; {back}; SET event_triggers = on")
        bench.apply()
    bench.sql(f"INSERT INTO np_{name}_a (id) VALUES (1)")
    users = bench.sql(f"SELECT by_trigger, by_default, by_view FROM np_{name}_a, np_{name}_v")
    assert users.split("|") == [f"np_{name}"] * 3
    assert bench.sql(f"SELECT rolcreaterole FROM pg_roles WHERE rolname = 'np_{name}'") == "f"
    assert bench.sql(f"SELECT has_function_privilege('np_shop', 'np_{name}_d()', 'EXECUTE')") == "f", "nor to another plugin"
    asked = f"SELECT prosecdef, proconfig FROM pg_proc WHERE proname = 'np_{name}_t'"
    assert bench.sql(asked) == 't|{"search_path=public, pg_temp"}', "whoever fires it cannot put tables of theirs in its way"


def test_tables_of_others_are_read_as_the_manifest_asks_and_no_longer(bench: Bench) -> None:
    bench.sql("CREATE TABLE IF NOT EXISTS app_users (id int PRIMARY KEY)")
    asks = {"database": ["app_users", "later_table:write"]}
    text = "CREATE TABLE np_guest_a (u int REFERENCES app_users)"
    bench.plugin("guest", {"001.sql": text}, tables=["np_guest_a"], permissions=asks)
    bench.apply()
    may = "SELECT has_table_privilege('np_guest', '{}', '{}')"
    assert bench.sql(may.format("app_users", "SELECT")) == "t"
    assert bench.sql(may.format("app_users", "INSERT")) == "f"
    bench.sql("CREATE TABLE later_table (x int)")
    bench.apply()
    assert bench.sql(may.format("later_table", "DELETE")) == "t"
    bench.change("guest", {}, tables=["np_guest_a"], permissions={})
    bench.apply()
    assert bench.sql(may.format("app_users", "SELECT")) == "f"
    assert bench.sql(may.format("later_table", "SELECT")) == "f"
    bench.enable("shop")
    bench.apply()
    assert bench.sql("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'np_guest'") == "f", "who takes part no longer"


def test_two_that_list_one_table_are_refused(bench: Bench) -> None:
    bench.plugin("twin", {"001.sql": "SELECT 1"}, tables=["np_twin_b_x"])
    bench.plugin("twin-b", {"001.sql": "SELECT 1"}, tables=["np_twin_b_x"])
    bench.enable("twin", "twin-b")
    with pytest.raises(UserError, match="np_twin_b_x is listed by both twin and twin-b"):
        bench.apply()


_OWN = """\
from hookspecs import Migration, hookimpl


@hookimpl
def migrate_schema(project):
    yield Migration(id="001", up="CREATE TABLE whatever (x int)", down="DROP TABLE whatever", database={database!r})
"""


def test_a_database_of_its_own_is_its_own(bench: Bench) -> None:
    plugin_home.write(bench.home, bench.place, "engine", _OWN.format(database="np_engine"), hooks=["migrate_schema"])
    plugin_home.write(bench.home, bench.place, "thief", _OWN.format(database="postgres"), hooks=["migrate_schema"])
    bench.enable("engine", "shop")
    assert ("engine", "001") in bench.apply()
    assert bench.apply() == []
    migrator = bench.migrator()
    role = migrator._roles["engine"]
    made = migrator._sql.run(
        "CREATE TABLE more (y int); SELECT 'made';", database="np_engine", user=role.name, password=role.password
    )
    assert "made" in made
    other = migrator._roles["shop"]
    with pytest.raises(UserError, match="refused"):
        migrator._sql.run("SELECT 1;", database="np_engine", user=other.name, password=other.password)
    assert migrator.undo("engine") == ["001"]
    assert migrator.drop("engine") == ["database np_engine", "role np_engine"]
    bench.enable("thief")
    with pytest.raises(UserError, match="asks for the database postgres, which is not its own"):
        bench.apply()


def test_dropping_leaves_nothing_of_it_and_all_of_others(bench: Bench) -> None:
    bench.plugin("gone", {"001.sql": "CREATE TABLE np_gone_a (x int); CREATE TYPE np_gone_t AS (y int)"}, tables=["np_gone_a"])
    bench.plugin("gone-not", {"001.sql": "CREATE TABLE np_gone_not_a (x int)"}, tables=["np_gone_not_a"])
    bench.enable("gone", "gone-not")
    bench.apply()
    told = bench.migrator().drop("gone")
    assert told == ["table np_gone_a", "role np_gone"]
    assert bench.migrator().drop("gone") == []
    assert bench.sql("SELECT count(*) FROM pg_roles WHERE rolname = 'np_gone'") == "0"
    assert bench.tables("np_gone_not") == ["np_gone_not_a"]
    assert bench.apply() == [("gone", "001")], "as if it had never been there"


def test_on_the_command_line(bench: Bench) -> None:
    files = {"001_a.sql": "CREATE TABLE np_line_a (x int)", "001_a.down.sql": "DROP TABLE np_line_a"}
    bench.plugin("line", files, tables=["np_line_a"])
    nself = Nself(bench.project.root)
    assert "applied line: 001_a" in nself("plugin", "migrate", "up").stdout
    listed = json.loads(nself("plugin", "migrate", "status", "line", "--json").stdout)
    assert [(one["id"], one["state"], one["reversible"]) for one in listed] == [("001_a", "applied", True)]
    refused = nself("plugin", "migrate", "down", "line", check=False)
    assert refused.returncode == 1
    assert "Undo the latest schema change of line?" in refused.stdout + refused.stderr
    assert bench.tables("np_line") == ["np_line_a"]
    assert "undid line: 001_a" in nself("plugin", "migrate", "down", "line", "--yes").stdout
    assert bench.tables("np_line") == []
