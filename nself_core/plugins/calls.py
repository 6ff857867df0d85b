"""Call one hook of one plugin: traced on wish, and every failure told with the plugin's and the hook's name."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from nself_core.plugins.model import Found


@contextmanager
def told(found: Found, hook: str) -> Iterator[None]:
    """Turn whatever a hook raises into a ``UserError`` that names plugin and hook; its own ``UserError`` passes."""
    from hookspecs.errors import UserError

    try:
        with _traced(found.name, hook):
            yield
    except UserError as error:
        if not error.where and found.source != "core":
            error.where = f"plugin {found.name}"
        raise
    except Exception as error:
        raise UserError(
            f"plugin {found.name} failed in {hook}: {_short(error)}",
            where=found.folder,
            remedy=f"report it to the plugin's author, or leave it out: nself plugin disable {found.name}"
            if found.source != "core"
            else "this is a fault in nself; NSELF_DEBUG=1 shows where it happened",
            code="plugin-hook",
        ) from error


def run(found: Found, hook: str, call: Callable[[], Any], expected: tuple[type, ...]) -> list[Any]:
    """The results of a hook that returns an iterable, generators run to their end, each of an expected type."""
    with told(found, hook):
        returned = call()
        if returned is None:
            return []
        if isinstance(returned, expected):
            raise TypeError(f"it must return an iterable, not one {type(returned).__name__}")
        results = list(returned)
        for result in results:
            if not isinstance(result, expected):
                raise TypeError(f"it gave a {type(result).__name__} where {' or '.join(t.__name__ for t in expected)} is due")
        return results


@contextmanager
def _traced(plugin: str, hook: str) -> Iterator[None]:
    if os.environ.get("NSELF_TRACE_HOOKS", "") in {"", "0"}:
        yield
        return
    started = time.perf_counter()
    outcome = "raised"
    try:
        yield
        outcome = "done"
    finally:
        spent = (time.perf_counter() - started) * 1000
        print(f"hook {hook} {plugin} {outcome} {spent:.1f} ms", file=sys.stderr)  # noqa: T201


def _short(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and "errors.pydantic.dev" not in line]
    return f"{type(error).__name__}: {'; '.join(lines)}" if lines else type(error).__name__
