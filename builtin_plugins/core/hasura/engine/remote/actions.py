"""Actions: a webhook answers a root field, at once or later."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson

from ..compiler.values import dumps, literal_value
from ..errors import EngineError, validation
from .transform import Request, response_transformed, transformed

if TYPE_CHECKING:
    from ..process import Process

ENV = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
UUID = re.compile(r"^[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}$")
FORWARDED = frozenset({"authorization", "cookie", "x-request-id", "accept-language", "user-agent"})


def expand(text: str, env: Mapping[str, str]) -> str:
    """`{{VAR}}/path` with variables of the environment."""

    def value(match: re.Match[str]) -> str:
        found = env.get(match.group(1))
        if found is None:
            raise EngineError("not-found", f"environment variable '{match.group(1)}' not set", "$", 400)
        return found

    return ENV.sub(value, text)


def header_list(specs: Any, env: Mapping[str, str]) -> dict[str, str]:
    """Configured headers: `{"name", "value" | "value_from_env"}`."""
    found = {}
    for spec in specs or ():
        if "value_from_env" in spec:
            found[spec["name"]] = env.get(spec["value_from_env"], "")
        else:
            found[spec["name"]] = expand(str(spec.get("value", "")), env)
    return found


def output_object(app: Process, text: str) -> dict[str, Any] | None:
    """The definition of an action's output object; None for a scalar."""
    name = text.strip("[]! ")
    for definition in (app.engine.document.get("custom_types") or {}).get("objects") or ():
        if definition["name"] == name:
            return definition
    return None


def shaped(app: Process, value: Any, output: str, sets: list[Any], collector: Any, path: str) -> Any:
    """What the client selected of a webhook's answer, checked against the declared type."""
    required = output.endswith("!")
    inner = output.rstrip("!")
    if value is None:
        if required:
            raise EngineError("unexpected", "unexpected null in the response of the webhook", path, 500)
        return None
    if inner.startswith("["):
        if not isinstance(value, list):
            raise EngineError("unexpected", "expecting an array in the response of the webhook", path, 500)
        return [shaped(app, item, inner[1:-1], sets, collector, path) for item in value]
    definition = output_object(app, inner)
    if definition is None:
        return value
    if not isinstance(value, dict):
        raise EngineError("unexpected", "expecting an object in the response of the webhook", path, 500)
    fields = {field["name"]: field["type"] for field in definition["fields"]}
    found = {}
    for item in collector.collect(sets, definition["name"], path):
        if item.name == "__typename":
            found[item.alias] = definition["name"]
            continue
        if item.name not in fields:
            raise validation(
                f"field \"{item.name}\" not found in type: '{definition['name']}'", f"{path}.selectionSet.{item.name}"
            )
        found[item.alias] = shaped(
            app, value.get(item.name), fields[item.name], item.sets, collector, f"{path}.selectionSet.{item.name}"
        )
    return found


async def call_webhook(app: Process, action: dict[str, Any], payload: dict[str, Any], headers: dict[str, str]) -> Any:
    """The webhook's answer; its refusals become GraphQL errors."""
    definition = action["definition"]
    url = expand(definition["handler"], app.config.environ)
    sent = {"content-type": "application/json"}
    if definition.get("forward_client_headers"):
        sent |= {name: value for name, value in headers.items() if name in FORWARDED or name.startswith("x-")}
        sent.pop("x-hasura-admin-secret", None)
    sent |= header_list(definition.get("headers"), app.config.environ)
    session = payload["session_variables"]
    plain = Request("POST", url, sent, dumps(payload).encode())
    request = transformed(definition.get("request_transform"), plain, payload, session)
    try:
        reply = await app.http.request(
            request.method, request.url, content=request.body, headers=request.headers, timeout=definition.get("timeout") or 30
        )
    except Exception as error:
        raise EngineError("unexpected", f"http exception when calling webhook: {type(error).__name__}", "$", 500) from None
    try:
        body = orjson.loads(reply.content)
    except orjson.JSONDecodeError:
        raise EngineError("unexpected", "not a valid json response from webhook", "$", 500) from None
    if 200 <= reply.status_code < 300:
        return response_transformed(definition.get("response_transform"), body, payload, session)
    if 400 <= reply.status_code < 500 and isinstance(body, dict) and isinstance(body.get("message"), str):
        extensions = body.get("extensions") if isinstance(body.get("extensions"), dict) else {}
        code = extensions.get("code") or body.get("code") or "unexpected"
        raise EngineError(str(code), body["message"], extensions.get("path", "$"))
    raise EngineError("unexpected", "internal error: the webhook answered with an error", "$", 500)


async def run_action(
    app: Process, action: dict[str, Any], field: Any, variables: dict[str, Any], request: dict[str, Any], operation: str
) -> bytes:
    """One action field of a request."""
    from ..compiler.document import read
    from ..compiler.fields import Collector
    from ..compiler.scope import Scope

    definition = action["definition"]
    path = f"$.selectionSet.{field.name}"
    collector = Collector(read(request["text"], request["name"]).fragments, Scope(variables, {}))
    if definition.get("kind") == "asynchronous" and operation == "query":
        return await result_of(app, action, field, variables, request["session"], collector)
    declared = {argument["name"]: argument["type"] for argument in definition.get("arguments") or ()}
    given: dict[str, Any] = {}
    for argument in field.node.arguments or ():
        name = argument.name.value
        if name not in declared:
            raise validation(f'"{field.name}" has no argument named "{name}"', path)
        given[name] = literal_value(argument.value, variables)
    for name, kind in declared.items():
        if kind.endswith("!") and given.get(name) is None:
            raise validation(f'missing required field "{name}"', f"{path}.args.{name}")
    session = request["session"]
    payload = {
        "action": {"name": action["name"]},
        "input": given,
        "session_variables": session.variables,
        "request_query": request["text"],
    }
    if definition.get("kind") == "asynchronous" and definition.get("type", "mutation") != "query":
        return await enqueue(app, action, given, session, request["headers"])
    answer = await call_webhook(app, action, payload, request["headers"])
    return orjson.dumps(shaped(app, answer, definition["output_type"], field.sets, collector, path))


async def enqueue(app: Process, action: dict[str, Any], given: Any, session: Any, headers: dict[str, str]) -> bytes:
    """Store an asynchronous action; its id is the answer."""
    kept = {name: value for name, value in headers.items() if name in FORWARDED}
    async with app.engine.meta_pool.lease() as lease:
        made = await lease.value(
            "INSERT INTO hdb_catalog.hdb_action_log (action_name, input_payload, request_headers, session_variables, status) "
            "VALUES ($1::text, ($2::text)::jsonb, ($3::text)::jsonb, ($4::text)::jsonb, 'created') RETURNING id::text",
            [action["name"], dumps(given), dumps(kept), dumps(session.variables)],
        )
    return orjson.dumps(made)


async def result_of(
    app: Process, action: dict[str, Any], field: Any, variables: dict[str, Any], session: Any, collector: Any
) -> bytes:
    """What became of an asynchronous action, for the role and user that started it."""
    path = f"$.selectionSet.{field.name}"
    given = {argument.name.value: literal_value(argument.value, variables) for argument in field.node.arguments or ()}
    if set(given) != {"id"} or not UUID.match(str(given["id"])):
        raise validation('expected one argument "id" of type "uuid"', f"{path}.args")
    async with app.engine.meta_pool.lease() as lease:
        row = await lease.row(
            "SELECT id::text, to_json(created_at)::text AS created_at, response_payload::text, errors::text, "
            "session_variables::text FROM hdb_catalog.hdb_action_log WHERE id = ($1::text)::uuid AND action_name = $2::text",
            [str(given["id"]), action["name"]],
        )
    if row is None or (session.role != "admin" and orjson.loads(row["session_variables"]) != session.variables):
        return b"null"
    found: dict[str, Any] = {}
    for item in collector.collect(field.sets, action["name"], path):
        if item.name == "output":
            payload = orjson.loads(row["response_payload"] or "null")
            output = action["definition"]["output_type"].rstrip("!")
            found[item.alias] = shaped(app, payload, output, item.sets, collector, f"{path}.selectionSet.output")
        elif item.name in ("created_at", "errors"):
            found[item.alias] = orjson.loads(row[item.name] or "null")
        elif item.name in ("id", "__typename"):
            found[item.alias] = row["id"] if item.name == "id" else action["name"]
        else:
            raise validation(f"field \"{item.name}\" not found in type: '{action['name']}'", f"{path}.selectionSet.{item.name}")
    return orjson.dumps(found)
