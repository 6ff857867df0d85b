"""The one parser of ``CS_N``."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builtin_plugins.custom.grammar import dns_label, parse, suggest_name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("api:express-ts", ("api", "express-ts", None, None)),
        ("api:express-ts:8001", ("api", "express-ts", 8001, None)),
        ("api:express-ts:8001:api", ("api", "express-ts", 8001, "api")),
        ("web:express-ts::app", ("web", "express-ts", None, "app")),
        ("worker:bullmq-ts:0", ("worker", "bullmq-ts", None, None)),
        ("express_api:express-js:8001:api.v1", ("express_api", "express-js", 8001, "api.v1")),
        (" api : fastapi : 9000 ", ("api", "fastapi", 9000, None)),
        ("a:gin", ("a", "gin", None, None)),
    ],
)
def test_what_is_accepted(text: str, expected: tuple[object, ...]) -> None:
    short = parse(text)
    assert (short.name, short.template, short.port, short.route) == expected
    assert short.faults == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("api", "names no template"),
        ("api:fastapi:8001:api:internal", "5 fields"),
        ("Api:fastapi", "is no name"),
        ("-api:fastapi", "is no name"),
        ("api_:fastapi", "is no name"),
        ("a" * 64 + ":fastapi", "is no name"),
        (":fastapi", "has no name"),
        ("api:fastapi:eighty", "is no port"),
        ("api:fastapi:70000", "is no port"),
        ("api:fastapi:-1", "is no port"),
        ("api:fastapi:8001:a b", "is no route"),
        ("api:fastapi:8001:a..b", "is no route"),
    ],
)
def test_what_is_refused(text: str, said: str) -> None:
    faults = parse(text).faults
    assert any(said in message for message, _ in faults), faults
    assert all(remedy for _, remedy in faults)


def test_all_faults_of_one_line_are_told() -> None:
    assert len(parse("API:fastapi:x:_:more").faults) == 4


@given(st.text(max_size=90))
def test_no_text_breaks_the_parser_and_a_name_it_accepts_is_a_host_name(text: str) -> None:
    short = parse(text)
    if not short.faults:
        label = dns_label(short.name)
        assert label.isascii() and label == label.lower() and len(label) <= 63 and "_" not in label
        assert short.template and (short.port is None or 1 <= short.port <= 65535)


@given(st.text(min_size=1, max_size=90))
def test_a_suggested_name_is_accepted(text: str) -> None:
    name = suggest_name(text)
    assert not name or parse(f"{name}:fastapi").faults == ()
