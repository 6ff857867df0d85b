"""One project moves from local processes to containers and back with its data; a frontend cannot tell the two apart."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e_docker.conftest import Project, on_stand_ins
from tests.ports import free_ports

pytestmark = pytest.mark.timeout(900)

EMAIL, PASSWORD = "ada@example.org", "correct horse battery"


@pytest.fixture(scope="module")
def project(docker_host: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    names = ("POSTGRES_PORT", "HASURA_PORT", "AUTH_PORT", "REDIS_PORT", "NGINX_PORT", "NGINX_SSL_PORT")
    ports = dict(zip(names, map(str, free_ports(len(names))), strict=True))
    home = tmp_path_factory.mktemp("home")
    made = on_stand_ins("move-e2e", tmp_path_factory.mktemp("move"), home, REDIS_ENABLED="true", **ports)
    try:
        yield made
    finally:
        for runtime in ("native", "compose"):
            made("runtime", "drop", runtime, "--yes", check=False)
        made.destroy()


def ask(port: int, path: str, body: dict[str, Any], **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or "null")
    finally:
        connection.close()


def url_port(project: Project, service: str) -> int:
    """The port of this machine at which a service answers, as ``status`` tells it on either runtime."""
    return int(project.states()[service]["ports"][0].split("->")[0].rpartition(":")[2])


def secret(project: Project) -> str:
    return project("config", "get", "HASURA_GRAPHQL_ADMIN_SECRET", "--show").stdout.strip()


def as_a_frontend(project: Project) -> dict[str, Any]:
    """What a frontend asks: sign-in, a query with the user's token, one without, one that is wrong, and the schema."""
    hasura, auth = url_port(project, "hasura"), url_port(project, "auth")
    status, session = ask(auth, "/signin/email-password", {"email": EMAIL, "password": PASSWORD})
    assert status == 200, session
    user, token = session["session"]["user"], session["session"]["accessToken"]
    query = {"query": "query { book(order_by: {id: asc}) { id title price tags added } book_aggregate { aggregate { count } } }"}
    bearer = {"Authorization": f"Bearer {token}"}
    introspection = {"query": '{ __type(name: "book") { fields { name type { kind name ofType { name } } } } }'}
    return {
        "user": {key: user[key] for key in ("id", "email", "displayName", "defaultRole", "roles", "createdAt")},
        "wrong password": ask(auth, "/signin/email-password", {"email": EMAIL, "password": "nothing of it"}),
        "books": ask(hasura, "/v1/graphql", query, **bearer),
        "nobody": ask(hasura, "/v1/graphql", query),
        "no such field": ask(hasura, "/v1/graphql", {"query": "{ book { nothing } }"}, **bearer),
        "schema": ask(hasura, "/v1/graphql", introspection, **bearer),
    }


def prepare(project: Project) -> None:
    hasura, auth = url_port(project, "hasura"), url_port(project, "auth")
    status, answer = ask(auth, "/signup/email-password", {"email": EMAIL, "password": PASSWORD})
    assert status == 200, answer
    sql = """
    CREATE ROLE "odd role's" NOLOGIN;
    CREATE TYPE mood AS ENUM ('glad', 'sad');
    CREATE TABLE book (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, title text NOT NULL, price numeric(10,2), tags text[],
        added timestamptz NOT NULL DEFAULT '2026-01-02 03:04:05+00', feeling mood, raw bytea);
    INSERT INTO book (title, price, tags, feeling, raw) SELECT 'Book ' || n || ' ü 漢 ''"\\', n * 1.25, ARRAY['a', 'b"c'], 'glad',
        decode(lpad(to_hex(n), 8, '0'), 'hex') FROM generate_series(1, 500) n;
    CREATE VIEW dear AS SELECT * FROM book WHERE price > 100;
    GRANT SELECT ON book TO "odd role's";
    CREATE FUNCTION longest() RETURNS text LANGUAGE sql STABLE
        AS $$ SELECT title FROM book ORDER BY length(title) DESC, id LIMIT 1 $$;
    """
    admin = {"X-Hasura-Admin-Secret": secret(project)}
    status, answer = ask(hasura, "/v2/query", {"type": "run_sql", "args": {"source": "default", "sql": sql}}, **admin)
    assert status == 200, answer
    permission = {"columns": "*", "filter": {}, "allow_aggregations": True}
    table = {"source": "default", "table": {"schema": "public", "name": "book"}}
    for kind, args in (
        ("pg_track_table", table),
        ("pg_create_select_permission", {**table, "role": "user", "permission": permission}),
    ):
        status, answer = ask(hasura, "/v1/metadata", {"type": kind, "args": args}, **admin)
        assert status == 200, answer


def test_a_project_moves_with_its_data_and_back(project: Project) -> None:
    project("start", "--runtime", "native", "postgres", "hasura", "auth", "redis", timeout=400)
    prepare(project)
    before = as_a_frontend(project)
    assert before["books"][1]["data"]["book_aggregate"]["aggregate"]["count"] == 500
    assert before["nobody"][1]["errors"]

    refused = project("runtime", "switch", "compose", check=False)
    assert refused.returncode == 1
    assert "redis" in refused.stderr, "what cannot be moved is named before anything happens"
    assert "--leave" in refused.stderr
    assert as_a_frontend(project) == before

    moved = project("runtime", "switch", "compose", "--leave", timeout=400)
    assert "The next start takes the compose runtime" in moved.stdout
    project("start", "postgres", "hasura", "auth", timeout=600)
    assert project.container("postgres")
    assert as_a_frontend(project) == before
    psql = ("exec", "postgres", "psql", "-Atc")
    assert project(*psql, "select longest() is not null, count(*) from dear").stdout.strip() == "t|420"
    assert project(*psql, "select has_table_privilege('odd role''s', 'book', 'select')").stdout.strip() == "t"
    assert not [line for line in project("runtime", "show").stdout.splitlines() if "switch" in line]

    project(*psql, "insert into book (title) values ('made in a container')")
    without_yes = project("runtime", "switch", "native", "--leave", check=False)
    assert without_yes.returncode == 1
    assert "older data" in without_yes.stderr
    project("runtime", "switch", "native", "--leave", "--yes", timeout=400)
    project("start", "postgres", "hasura", "auth", timeout=400)
    after = as_a_frontend(project)
    assert after["books"][1]["data"]["book"][-1]["title"] == "made in a container"
    assert {k: v for k, v in after.items() if k != "books"} == {k: v for k, v in before.items() if k != "books"}


def test_a_switch_that_is_cut_off_goes_on(project: Project) -> None:
    """Cut off after the dump, as the target does not come up; then repeated."""
    image = project("config", "get", "POSTGRES_IMAGE").stdout.strip()
    project.set(POSTGRES_IMAGE="localhost:1/none/such:18")
    failed = project("runtime", "switch", "compose", "--leave", "--yes", check=False, timeout=300)
    assert failed.returncode == 1
    assert "could not be had" in failed.stderr
    dump = project.folder / ".nself" / "switch" / "dev" / "postgres.dump"
    first = dump.stat().st_mtime_ns
    assert dump.stat().st_mode & 0o777 == 0o600
    assert json.loads(project("runtime", "show", "--json").stdout)["recorded"] == "native"
    project.set(POSTGRES_IMAGE=image)
    kept = Path(dump).read_bytes()
    project("runtime", "switch", "compose", "--leave", "--yes", timeout=400)
    assert kept
    assert first
    assert not dump.exists()
    project("start", "postgres", "hasura", "auth", timeout=400)
    assert as_a_frontend(project)["books"][1]["data"]["book_aggregate"]["aggregate"]["count"] == 501


def test_what_is_left_on_the_old_runtime_can_be_dropped(project: Project) -> None:
    assert "in force" in project("runtime", "drop", "compose", "--yes", check=False).stderr
    assert "removed" in project("runtime", "drop", "native", "--yes").stdout
    assert "nothing to remove" in project("runtime", "drop", "native", "--yes").stdout
    assert project.states()["postgres"]["health"] == "healthy"
