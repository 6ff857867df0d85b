"""Templates, and the requests and answers they change."""

from __future__ import annotations

from typing import Any

import pytest

from builtin_plugins.core.hasura.engine.remote.template import TemplateError, compiled, text_template

from .servers import Engine
from .webhooks import Hook

SCOPE = {
    "$body": {"input": {"name": "Ada", "n": 3, "tags": ["x", "y"], "none": None}, "action": {"name": "greet"}},
    "$base_url": "http://a/b",
    "$session_variables": {"x-hasura-user-id": "7"},
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ('{"a": {{$body.input.n}}, "b": [1, true, null, "x"]}', {"a": 3, "b": [1, True, None, "x"]}),
        ("\"Hi {{$body.input.name}} {{$body['action'].name}}, {{$body.input.tags}}\"", 'Hi Ada greet, ["x","y"]'),
        ('{{ if $body.input.n > 2 }} "many" {{ else }} "few" {{ end }}', "many"),
        ("{{ if $body.input.n == 1 }} 1 {{ elif $body.input.n == 3 }} 3 {{ else }} 0 {{ end }}", 3),
        ('{{ range i, x := $body.input.tags }} {"{{x}}": {{i}}} {{ end }}', [{"x": 0}, {"y": 1}]),
        ("{{ $body.input?.missing ?? 'other' }}", "other"),
        ("{{ $body?.a.b ?? $body.input.none ?? 4 }}", 4),
        ("{{ getSessionVariable('X-Hasura-User-Id') }}", "7"),
        ("{{ $session_variables['x-hasura-user-id'] }}", "7"),
        ("{{ length($body.input.tags) }}", 2),
        ("{{ toUpper($body.input.name) }}", "ADA"),
        ("{{ ($body.input.n == 3) && ('x' in $body.input.tags) }}", True),
        ("{{ $body.input }}", SCOPE["$body"]["input"]),
    ],
)
def test_a_template_filled_in(template: str, expected: Any) -> None:
    assert compiled(template)(SCOPE) == expected


@pytest.mark.parametrize(
    "template",
    [
        "",
        "{",
        '{"a": }',
        "{{ }}",
        "{{ if true }} 1 {{ end }}",
        "{{ f(1 }}",
        "{{ __import__('os') }}",
        "[" * 5000,
        "{{ $body.x }} 1",
    ],
)
def test_templates_that_cannot_be_read(template: str) -> None:
    with pytest.raises((TemplateError, ValueError)):
        compiled(template)(SCOPE)


def test_what_is_not_there_is_said() -> None:
    for template in ("{{ $body.nothing }}", "{{ $env.SECRET }}", "{{ $body.input.name.__class__ }}"):
        with pytest.raises(TemplateError):
            compiled(template)(SCOPE)
    assert text_template("{{$base_url}}/x?y={{escapeUri($body.input.name)}}")(SCOPE) == "http://a/b/x?y=Ada"


@pytest.mark.slow
def test_an_action_and_an_event_are_sent_as_the_templates_say(engine: Engine, hook: Hook) -> None:
    engine.meta("set_custom_types", {"objects": [{"name": "Sum", "fields": [{"name": "total", "type": "Int!"}]}]})
    transform = {
        "version": 2,
        "template_engine": "Kriti",
        "method": "PUT",
        "url": "{{$base_url}}/{{$body.action.name}}",
        "query_params": {"who": "{{$session_variables['x-hasura-user-id']}}"},
        "request_headers": {"add_headers": {"x-key": "{{$body.input.a}}"}, "remove_headers": ["user-agent"]},
        "body": {"action": "transform", "template": '{"number": {{$body.input.a}}}'},
    }
    definition = {
        "handler": hook.base,
        "type": "query",
        "output_type": "Sum!",
        "arguments": [{"name": "a", "type": "Int!"}],
        "request_transform": transform,
        "response_transform": {"version": 2, "body": {"action": "transform", "template": '{"total": {{$body.result.n}}}'}},
    }
    made = engine.meta("create_action", {"name": "add", "definition": definition})
    assert made.status_code == 200, made.text
    engine.meta("create_action_permission", {"action": "add", "role": "user"})
    hook.answer = {"result": {"n": 5}}
    assert engine.ask("{ add(a: 2) { total } }", role="user", user_id="7 8") == {"data": {"add": {"total": 5}}}
    sent = hook.seen[-1]
    assert (sent["method"], sent["path"], sent["body"]) == ("PUT", "/add?who=7+8", {"number": 2})
    assert sent["headers"]["x-key"] == "2"
    hook.answer = {"result": {}}
    failed = engine.ask("{ add(a: 2) { total } }", role="user", user_id="7")
    assert "response transform failed" in failed["errors"][0]["message"]

    trigger = {"name": "told", "table": "author", "webhook": hook.url, "insert": {"columns": "*"}}
    form = {"version": 2, "body": {"action": "x_www_form_urlencoded", "form_template": {"n": "{{$body.event.data.new.name}}"}}}
    assert engine.meta("pg_create_event_trigger", trigger | {"request_transform": form}).status_code == 200
    hook.seen.clear()
    engine.ask('mutation { insert_author_one(object: {name: "a&b"}) { id } }')
    assert hook.wait(1) == ["n=a%26b"]
    engine.meta("pg_delete_event_trigger", {"name": "told"})
    broken = {"version": 2, "body": {"action": "transform", "template": "{{"}}
    refused = engine.meta("pg_create_event_trigger", trigger | {"request_transform": broken})
    assert refused.json()["code"] == "parse-failed"
