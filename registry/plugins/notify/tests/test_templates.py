"""What a template may do: fill in, and neither look behind its data nor fill the memory."""

from __future__ import annotations

import time

import pytest
from nself_plugin_notify.templates import Content, TemplateFaultError, fill


def test_it_fills_in_and_reckons() -> None:
    filled = fill(Content("Hello {{ name }}", "{{ count * 2 }}", "<b>{{ name }}</b>"), {"name": "<Ada>", "count": 21})
    assert (filled.subject, filled.text, filled.html) == ("Hello <Ada>", "42", "<b>&lt;Ada&gt;</b>")


@pytest.mark.parametrize(
    "text",
    [
        "{{ 'x' * 999999999 }}",
        "{{ 999999999 * [1] }}",
        "{{ 9 ** 9 ** 9 }}",
        "{% for a in range(999999999) %}x{% endfor %}",
        "{{ name.__class__.__mro__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{% include '/etc/passwd' %}",
        "{{ missing }}",
    ],
)
def test_what_it_may_not(text: str) -> None:
    began = time.monotonic()
    with pytest.raises(TemplateFaultError):
        fill(Content(text=text), {"name": "Ada"})
    assert time.monotonic() - began < 5
