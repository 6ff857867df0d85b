"""Templates: Jinja2 in its sandbox, with every missing variable an error before anything is queued."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import StrictUndefined, TemplateError, TemplateRuntimeError, TemplateSyntaxError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

#: Characters of one rendered part; a loop in a template shall not fill the memory.
LARGEST = 500_000


class TemplateFaultError(ValueError):
    """A template that cannot be read or filled in, in words for who wrote it."""


@dataclass(frozen=True, slots=True)
class Content:
    """Subject, text and HTML, as templates or filled in."""

    subject: str = ""
    text: str = ""
    html: str = ""


class _Environment(ImmutableSandboxedEnvironment):
    """Without the operators that make much out of little in one step, where `LARGEST` comes too late."""

    intercepted_binops = frozenset({"*", "**"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Multiply numbers, and nothing else."""
        if operator == "**" or not (isinstance(left, int | float) and isinstance(right, int | float)):
            raise TemplateRuntimeError("only numbers are multiplied, and none is raised to a power")
        return super().call_binop(context, operator, left, right)


@cache
def _environment(escape: bool) -> ImmutableSandboxedEnvironment:
    return _Environment(autoescape=escape, undefined=StrictUndefined, keep_trailing_newline=True)


def check(content: Content) -> list[str]:
    """The variables a template asks for, sorted; ``TemplateFaultError`` where its syntax is wrong."""
    names: set[str] = set()
    for part in ("subject", "text", "html"):
        environment = _environment(part == "html")
        try:
            names |= meta.find_undeclared_variables(environment.parse(getattr(content, part)))
        except TemplateSyntaxError as error:
            raise TemplateFaultError(f"{part}, line {error.lineno}: {error.message}") from None
    return sorted(names)


def fill(content: Content, data: Mapping[str, Any]) -> Content:
    """The content with ``data`` filled in; ``TemplateFaultError`` names what is missing. A subject is one line."""
    filled = {part: _fill(part, getattr(content, part), data) for part in ("subject", "text", "html")}
    return Content(" ".join(filled["subject"].split()), filled["text"], filled["html"])


def _fill(part: str, source: str, data: Mapping[str, Any]) -> str:
    pieces: list[str] = []
    length = 0
    try:
        for piece in _environment(part == "html").from_string(source).generate(data):
            length += len(piece)
            if length > LARGEST:
                raise TemplateFaultError(f"{part} is longer than {LARGEST} characters")
            pieces.append(piece)
    except TemplateError as error:
        raise TemplateFaultError(f"{part}: {error.message or type(error).__name__}") from None
    except (TypeError, ValueError, ArithmeticError, OverflowError, MemoryError) as error:
        if isinstance(error, TemplateFaultError):
            raise
        raise TemplateFaultError(f"{part}: {error}") from None
    return "".join(pieces)
