"""Queries, mutations, permissions and bad input, over HTTP."""

from __future__ import annotations

import pytest

from .servers import SECRET, Engine, running_engine

pytestmark = pytest.mark.slow


def error(answer: dict) -> tuple[str, str]:
    assert "errors" in answer, answer
    return answer["errors"][0]["extensions"]["code"], answer["errors"][0]["message"]


def test_nested_query_with_variables_and_json_path(engine: Engine) -> None:
    query = 'query ($w: author_bool_exp!) { author(where: $w, order_by: {id: asc}) { name articles(order_by: {id: asc}) { title data(path: "k.x[1]") } } }'  # noqa: E501
    for name in ("Ada", "Bob"):
        answer = engine.ask(query, {"w": {"name": {"_eq": name}}})
        assert [row["name"] for row in answer["data"]["author"]] == [name]
    ada = engine.ask(query, {"w": {"name": {"_eq": "Ada"}}})["data"]["author"][0]
    assert ada["articles"] == [{"title": "a1", "data": 2}, {"title": "a2", "data": None}]


def test_the_plan_of_one_variable_shape_never_answers_another(engine: Engine) -> None:
    query = "query ($w: author_bool_exp, $o: [author_order_by!]) { author(where: $w, order_by: $o) { id } }"

    def ids(**variables: object) -> list[int]:
        return [row["id"] for row in engine.ask(query, variables)["data"]["author"]]

    assert ids(o={"id": "asc"}) == [1, 2, 3]
    assert ids(o={"id": "desc"}) == [3, 2, 1]
    assert ids(w={"score": {"_is_null": True}}) == [3]
    assert sorted(ids(w={"score": {"_is_null": False}})) == [1, 2]
    assert ids(w={"id": {"_in": [1]}}) == [1]
    assert sorted(ids(w={"id": {"_in": [1, 2]}})) == [1, 2]


def test_values_are_parameters(engine: Engine) -> None:
    evil = "x'; DROP TABLE author; --"
    answer = engine.ask("query ($n: String!) { author(where: {name: {_eq: $n}}) { id } }", {"n": evil})
    assert answer == {"data": {"author": []}}
    assert engine.ask('{ author_aggregate(where: {name: {_like: "%\\\\\'%"}}) { aggregate { count } } }')["data"]


def test_a_role_sees_only_its_rows_and_columns(engine: Engine) -> None:
    rows = engine.ask("{ article(order_by: {id: asc}) { title } }", role="user", user_id="2")["data"]["article"]
    assert rows == [{"title": "a1"}, {"title": "b1"}]
    hidden = engine.ask("{ article { published } }", role="user", user_id="2")
    missing = engine.ask("{ article { nonsense } }", role="user", user_id="2")
    assert error(hidden)[1].replace("published", "X") == error(missing)[1].replace("nonsense", "X")
    for clause in ("where: {published: {_eq: true}}", "order_by: {published: asc}", "distinct_on: published"):
        assert "errors" in engine.ask(f"{{ article({clause}) {{ title }} }}", role="user", user_id="2")
    assert error(engine.ask("{ article { title } }", role="user"))[0] == "not-found"
    assert "errors" in engine.ask("{ author { id } }", role="user", user_id="2")


def test_insert_checks_and_presets(engine: Engine) -> None:
    add = "mutation ($t: String) { insert_article_one(object: {title: $t}) { id title } }"
    made = engine.ask(add, {"t": "mine"}, role="user", user_id="3")
    assert made["data"]["insert_article_one"]["title"] == "mine"
    owner = engine.ask('{ article(where: {title: {_eq: "mine"}}) { author_id } }')["data"]["article"]
    assert owner == [{"author_id": 3}]
    assert error(engine.ask(add, {"t": "bad"}, role="user", user_id="3"))[0] == "permission-error"
    assert engine.ask('{ article(where: {title: {_eq: "bad"}}) { id } }')["data"]["article"] == []


def test_a_failing_mutation_undoes_the_whole_request(engine: Engine) -> None:
    text = 'mutation { a: insert_author_one(object: {name: "Dee"}) { id } b: insert_author_one(object: {name: "Ada"}) { id } }'
    assert error(engine.ask(text))[0] == "constraint-violation"
    assert engine.ask('{ author(where: {name: {_eq: "Dee"}}) { id } }')["data"]["author"] == []


def test_bulk_nested_and_many(engine: Engine) -> None:
    rows = [{"name": f"n{i}", "score": i} for i in range(6000)]
    done = engine.ask("mutation ($o: [author_insert_input!]!) { insert_author(objects: $o) { affected_rows } }", {"o": rows})
    assert done == {"data": {"insert_author": {"affected_rows": 6000}}}
    nested = 'mutation { insert_author_one(object: {name: "Eve", articles: {data: [{title: "e1"}, {title: "e2"}]}}) { articles { title } } }'  # noqa: E501
    assert engine.ask(nested)["data"]["insert_author_one"]["articles"] == [{"title": "e1"}, {"title": "e2"}]
    many = 'mutation { update_author_many(updates: [{where: {name: {_eq: "n1"}}, _set: {score: 7}}, {where: {name: {_eq: "n2"}}, _inc: {score: 1}}]) { affected_rows } }'  # noqa: E501
    assert engine.ask(many)["data"]["update_author_many"] == [{"affected_rows": 1}, {"affected_rows": 1}]
    gone = engine.ask('mutation { delete_author(where: {name: {_like: "n%"}}) { affected_rows } }')
    assert gone["data"]["delete_author"]["affected_rows"] == 6000


@pytest.mark.parametrize(
    "text",
    [
        "{ author { id ",
        "{ nothing }",
        "{ author { id(x: 1) } }",
        "query ($i: String!) { author_by_pk(id: $i) { id } }",
        "query A { ...F } fragment F on query_root { ...G } fragment G on query_root { ...F }",
        "{ author(limit: -1) { id } }",
        "{" * 10_000,
        "{ author " + "{ articles { author " * 3000 + "{ id }" + "} }" * 3000 + " }",
        "{ author(where: " + "{_not: " * 450 + "{}" + "}" * 450 + ") { id } }",
    ],
)
def test_bad_operations_are_refused(engine: Engine, text: str) -> None:
    code, message = error(engine.ask(text, {"i": "1"} if "$i" in text else None))
    assert code == "validation-failed", message
    assert "Traceback" not in message


def test_fragments_cannot_multiply_without_end(engine: Engine) -> None:
    layers = "".join(f"fragment f{i} on author {{ ...f{i + 1} ...f{i + 1} ...f{i + 1} }} " for i in range(15))
    text = "{ author { ...f0 } } " + layers + "fragment f15 on author { id }"
    assert "too many fields" in error(engine.ask(text))[1]


def test_limits_by_role(engine: Engine) -> None:
    limits = {"disabled": False, "depth_limit": {"global": 1}, "rate_limit": {"global": {"max_reqs_per_min": 2}}}
    assert engine.meta("set_api_limits", limits).status_code == 200
    deep = engine.ask("{ article { title } }", role="user", user_id="1")
    assert error(deep)[0] == "depth-limit-exceeded"
    codes = [engine.ask("{ __typename }", role="user", user_id="1") for _ in range(3)]
    assert error(codes[2])[0] == "rate-limit-exceeded"
    assert "data" in engine.ask("{ article { title } }")
    engine.meta("remove_api_limits", {})


def test_a_body_of_ten_megabytes_is_refused_quickly(engine: Engine) -> None:
    assert error(engine.ask("{ author { id } } " + "#" * 10_000_000))[0] == "validation-failed"
    assert error(engine.ask("{ " + "author { id } " * 40_000 + "}"))[0] == "validation-failed"


def test_malformed_bodies(engine: Engine) -> None:
    headers = {"x-hasura-admin-secret": SECRET, "content-type": "application/json"}
    for body in (b"", b"{", b"[1]", b'"x"', b'{"query": 1}', b'{"query":"{author{id}}","variables":[]}', b"[" * 100_000):
        reply = engine.http.post("/v1/graphql", content=body, headers=headers)
        assert reply.status_code == 200
        assert "errors" in (reply.json()[0] if isinstance(reply.json(), list) else reply.json())


def test_introspection_hides_what_a_role_may_not_see(engine: Engine) -> None:
    text = '{ __type(name: "article") { fields { name } } __schema { types { name } } }'
    answer = engine.ask(text, role="user", user_id="1")["data"]
    assert [field["name"] for field in answer["__type"]["fields"]] == ["id", "title"]
    assert "author" not in {kind["name"] for kind in answer["__schema"]["types"]}


def test_other_endpoints(engine: Engine) -> None:
    assert engine.http.get("/healthz").text == "OK"
    assert "GraphQL" in engine.http.get("/").text
    assert "hasura_graphql_requests_total" in engine.http.get("/metrics").text
    assert engine.http.get("/v1/config").json()["code"] == "access-denied"
    assert engine.http.post("/v1/metadata", json={"type": "export_metadata", "args": {}}).status_code == 401
    assert engine.http.get("/nowhere").status_code == 404


def test_two_processes_stay_in_step(engine: Engine, postgres) -> None:
    import time

    with running_engine(postgres.url) as other:
        engine.sql("CREATE TABLE extra (id int PRIMARY KEY)")
        assert engine.meta("pg_track_table", {"table": "extra"}).status_code == 200
        deadline = time.monotonic() + 10
        while "errors" in other.ask("{ extra { id } }"):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        engine.meta("pg_untrack_table", {"table": "extra"})


def test_ddl_that_breaks_metadata_is_refused_or_cascades(engine: Engine) -> None:
    engine.sql("CREATE TABLE doomed (id int PRIMARY KEY)")
    engine.meta("pg_track_table", {"table": "doomed"})
    refused = engine.meta("run_sql", {"sql": "DROP TABLE doomed"}, "/v2/query")
    assert refused.json()["code"] == "dependency-error"
    assert engine.ask("{ doomed { id } }") == {"data": {"doomed": []}}
    assert engine.meta("run_sql", {"sql": "DROP TABLE doomed", "cascade": True}, "/v2/query").status_code == 200
    assert "errors" in engine.ask("{ doomed { id } }")


def test_ddl_behind_the_engines_back_is_reported_and_survived(engine: Engine) -> None:
    engine.sql("CREATE TABLE gone (id int PRIMARY KEY)")
    engine.meta("pg_track_table", {"table": "gone"})
    drop = {"sql": "DROP TABLE gone", "check_metadata_consistency": False}
    assert engine.meta("run_sql", drop, "/v2/query").status_code == 200
    assert error(engine.ask("{ gone { id } }"))[0] == "postgres-error"
    engine.meta("reload_metadata", {})
    found = engine.meta("get_inconsistent_metadata", {}).json()
    assert [item["name"] for item in found["inconsistent_objects"]] == ["table gone in source default"]
    assert engine.ask("{ author(limit: 1) { id } }")["data"]["author"]
    assert engine.meta("drop_inconsistent_metadata", {}).status_code == 200
    assert engine.meta("get_inconsistent_metadata", {}).json()["is_consistent"]
