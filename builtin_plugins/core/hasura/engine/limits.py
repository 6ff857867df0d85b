"""API limits by role (depth, nodes, time, rate) and the query allow-list."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from graphql import REMOVE, GraphQLError, Visitor, parse, print_ast, visit
from graphql.language import ast

from .errors import EngineError, validation

if TYPE_CHECKING:
    from .engine import Engine


def normal(text: str) -> str:
    """A query without its layout and without `__typename`, for comparison with the allow-list."""
    try:
        document = parse(text, no_location=True, max_tokens=100_000)
    except (GraphQLError, RecursionError):
        return text
    return print_ast(visit(document, _WithoutTypenames()))


class _WithoutTypenames(Visitor):
    def enter_field(self, node: ast.FieldNode, *_: Any) -> Any:
        return REMOVE if node.name.value == "__typename" else None


def depth_of(selection_set: Any, fragments: dict[str, Any], trail: tuple[str, ...] = ()) -> int:
    """How deep an operation selects."""
    deepest = 0
    for selection in selection_set.selections if selection_set is not None else ():
        if isinstance(selection, ast.FieldNode):
            deepest = max(deepest, 1 + depth_of(selection.selection_set, fragments, trail))
        elif isinstance(selection, ast.InlineFragmentNode):
            deepest = max(deepest, depth_of(selection.selection_set, fragments, trail))
        elif isinstance(selection, ast.FragmentSpreadNode):
            name = selection.name.value
            if name not in trail and name in fragments:
                deepest = max(deepest, depth_of(fragments[name].selection_set, fragments, (*trail, name)))
    return deepest


class Limits:
    """Reads the limits of the document in force; rates are counted per role and chosen variables, by the minute."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.windows: dict[Any, list[float]] = defaultdict(list)
        self._known: tuple[int, frozenset[str]] = (-1, frozenset())

    @property
    def active(self) -> bool:
        """True when any limit is set."""
        found = self.engine.document.get("api_limits")
        return bool(found) and not found.get("disabled")

    def allowed(self, text: str) -> None:
        """Refuse a query that is in no allowed collection."""
        document = self.engine.document
        version = self.engine.resource_version
        if self._known[0] != version:
            names = {item["collection"] for item in document.get("allowlist") or ()}
            queries = {
                normal(query["query"])
                for collection in document.get("query_collections") or ()
                if collection["name"] in names
                for query in collection["definition"].get("queries") or ()
            }
            self._known = (version, frozenset(queries))
        if normal(text) not in self._known[1]:
            raise validation("query is not allowed")

    def _limit(self, name: str, role: str) -> Any:
        found = (self.engine.document.get("api_limits") or {}).get(name) or {}
        return (found.get("per_role") or {}).get(role, found.get("global"))

    async def run(self, text: str, name: str | None, plan: Any, variables: Any, session: Any) -> bytes:
        """Check, then run within the time limit."""
        self.check(text, name, plan, session)
        seconds = self._limit("time_limit", session.role)
        work = self.engine.executor.run(plan, variables, session.variables)
        try:
            return await asyncio.wait_for(work, seconds)
        except TimeoutError:
            raise EngineError("time-limit-exceeded", f"time limit of {seconds} seconds exceeded", "$") from None

    def check(self, text: str, name: str | None, plan: Any, session: Any) -> None:
        """Depth, node and rate limits of the role; raises when one is exceeded."""
        depth = self._limit("depth_limit", session.role)
        if depth is not None:
            document = self.engine.executor.document(text, name, session.role, session.backend)
            found = depth_of(document.operation.selection_set, document.fragments)
            if found > depth:
                raise EngineError("depth-limit-exceeded", f"depth limit of {depth} exceeded: {found}", "$")
        nodes = self._limit("node_limit", session.role)
        if nodes is not None and plan.nodes > nodes:
            raise EngineError("node-limit-exceeded", f"node limit of {nodes} exceeded: {plan.nodes}", "$")
        self._rate(session)

    def _rate(self, session: Any) -> None:
        rate = self._limit("rate_limit", session.role)
        if not rate:
            return
        unique = rate.get("unique_params")
        names = unique if isinstance(unique, list) else []
        key = (session.role, *(session.variables.get(name.lower()) for name in names))
        now = time.monotonic()
        window = self.windows[key] = [moment for moment in self.windows[key] if now - moment < 60]
        if len(window) >= rate["max_reqs_per_min"]:
            raise EngineError("rate-limit-exceeded", f"rate limit of {rate['max_reqs_per_min']} per minute exceeded", "$", 429)
        window.append(now)
        if len(self.windows) > 100_000:
            self.windows.clear()
