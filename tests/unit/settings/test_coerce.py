"""Every type of setting: what is taken, what it becomes, and what is refused with a remedy."""

from __future__ import annotations

from typing import Any

import pytest

from nself_core.settings.coerce import InvalidError, coerce
from nself_core.settings.declared import Declared

GIB = 1 << 30


def typed(kind: str, text: str, **more: Any) -> tuple[Any, list[str]]:
    repairs: list[str] = []
    return coerce(Declared("X", "me", kind, **more), text, repairs.append), repairs


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        *(("bool", word, True) for word in ("true", "TRUE", "1", "yes", "y", "on", "enabled")),
        *(("bool", word, False) for word in ("false", "0", "no", "N", "off", "disabled")),
        ("int", "-12", -12),
        ("float", ".5", 0.5),
        ("float", "2", 2.0),
        ("port", "65535", 65535),
        ("size", "2048MB", 2048 << 20),
        ("size", "2048MiB", 2 * GIB),
        ("size", "2g", 2 * GIB),
        ("size", "512m", 512 << 20),
        ("size", "1.5G", 3 * GIB // 2),
        ("size", "52428800", 52428800),
        ("size", "0", 0),
        ("duration", "900", 900),
        ("duration", "1h30m", 5400),
        ("duration", "7d", 604800),
        ("duration", "168h", 604800),
        ("url", "https://a.example.com/x?y=1", "https://a.example.com/x?y=1"),
        ("domain", "local.nself.org", "local.nself.org"),
        ("domain", "localhost", "localhost"),
        ("route", "api.v1", "api.v1"),
        ("route", "@", "@"),
        ("list", "a, b ,,c", ["a", "b", "c"]),
        ("list", "", []),
        ("list", '["a b","c"]', ["a b", "c"]),
        ("list", "https://a.example.com, https://b.example.com", ["https://a.example.com", "https://b.example.com"]),
        ("json", '{"a": 1}', '{"a": 1}'),
        ("image", "localhost:5000/team/app:1.2@sha256:" + "a" * 64, "localhost:5000/team/app:1.2@sha256:" + "a" * 64),
        ("email", "Shop <shop@example.com>", "Shop <shop@example.com>"),
        ("rate", "10r/s", "10r/s"),
        ("string", " kept? ", "kept?"),
    ],
)
def test_taken_as_it_is(kind: str, text: str, value: Any) -> None:
    assert typed(kind, text) == (value, [])


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("size", "512", 512 << 20),
        ("bool", "'true'", True),
        ("port", '"5432"', 5432),
        ("rate", "100/min", "100r/m"),
        ("domain", "Example.COM.", "example.com"),
        ("domain", "bücher.example", "xn--bcher-kva.example"),
    ],
)
def test_repairs_of_form_are_told(kind: str, text: str, value: Any) -> None:
    found, repairs = typed(kind, text)
    assert found == value and repairs


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("bool", "perhaps"), ("int", "1.5"), ("int", "x"), ("float", "1,5"), ("port", "0"), ("port", "65536"), ("port", "80a"),
        ("port", "٣"), ("size", "big"), ("size", "-1m"), ("size", "1x"), ("duration", "soon"), ("duration", "500ms"),
        ("url", "example.com"), ("url", "http://"), ("url", "http://a b"), ("domain", "https://example.com"),
        ("domain", "not a domain"), ("domain", "-x.example"), ("domain", "a..b"), ("domain", "10.0.0.1"),
        ("domain", "a" * 64 + ".example"), ("route", "a_b"), ("route", "a/b"), ("json", "{nope"), ("image", "UPPER/case"),
        ("image", "a b"), ("email", "nobody"), ("rate", "fast"), ("rate", "0r/s"),
    ],
)  # fmt: skip
def test_refused(kind: str, text: str) -> None:
    with pytest.raises(InvalidError):
        typed(kind, text)


@pytest.mark.parametrize("kind", ["bool", "int", "port", "size", "url", "domain", "route", "image", "rate"])
def test_empty_is_unset(kind: str) -> None:
    assert typed(kind, "") == (None, [])


def test_choices_limits_and_patterns() -> None:
    assert typed("string", "HTTP", choices=("http", "grpc")) == ("http", ["is read as http"])
    assert typed("string", "abc", pattern="[a-c]+")[0] == "abc"
    for kind, text, more in (
        ("string", "x", {"choices": ("http",)}),
        ("list", "a,x", {"choices": ("a",)}),
        ("string", "abcd", {"pattern": "[a-c]+"}),
        ("int", "0", {"minimum": 1}),
        ("int", "11", {"maximum": 10}),
    ):
        with pytest.raises(InvalidError):
            typed(kind, text, **more)


def test_a_secret_is_never_quoted_in_a_message() -> None:
    with pytest.raises(InvalidError) as error:
        coerce(Declared("X", "me", "string", secret=True, pattern="[a-c]+"), "hunter2")
    assert "hunter2" not in str(error.value)
