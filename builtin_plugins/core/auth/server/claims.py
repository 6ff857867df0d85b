"""What an access token says of its user, the operator's own claims from GraphQL paths among it.

AUTH_JWT_CUSTOM_CLAIMS maps a claim to a path from the user in the GraphQL API, e.g.
`{"organisation-ids": "memberships[].organisation.id"}`; a path into `metadata` or another JSON column goes on inside it.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Collection
from typing import Any

import httpx

from .settings import Settings, SettingsError
from .users import User

log = logging.getLogger("nself.auth")
_QUERY = "query ($id: uuid!) { user(id: $id) %s }"
_PART = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)((?:\[(?:\d+|\*)?\])*)\Z")


def parse_path(path: str) -> list[tuple[str, list[str]]]:
    """`a.b[].c` as its fields, each with the indices after it (`*` for all)."""
    parts = []
    for piece in path.split("."):
        match = _PART.match(piece)
        if match is None:
            raise SettingsError(f"AUTH_JWT_CUSTOM_CLAIMS: {path!r} is no path such as profile.organisation.id or teams[].id")
        parts.append((match[1], [index or "*" for index in re.findall(r"\[(\d+|\*)?\]", match[2])]))
    return parts


def selection(paths: list[list[tuple[str, list[str]]]]) -> str:
    """One GraphQL selection that fetches all paths. What lies inside `metadata` is JSON and is not selected."""
    tree: dict[str, Any] = {}
    for path in paths:
        node = tree
        for name, _ in path:
            node = node.setdefault(name, {})
            if name == "metadata":
                break

    def render(node: dict[str, Any]) -> str:
        return "{ " + " ".join(name + (" " + render(inner) if inner else "") for name, inner in node.items()) + " }"

    return render(tree)


def extract(value: Any, path: list[tuple[str, list[str]]]) -> Any:
    """The value at a path, a list as soon as the path passes through one; nothing where it leads nowhere."""
    if not path:
        return value
    (name, indices), rest = path[0], path[1:]
    if isinstance(value, list):
        found = [extract(item, path) for item in value]
        return [item for item in found if item is not None]
    value = value.get(name) if isinstance(value, dict) else None
    for index in indices:
        if not isinstance(value, list):
            return None
        if index != "*":
            value = value[int(index)] if int(index) < len(value) else None
    return extract(value, rest) if value is not None else None


def encode(value: Any) -> str:
    """A claim is a string: lists become PostgreSQL array literals, which is how Hasura's permissions compare them."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "{" + ",".join(json.dumps(item, ensure_ascii=False) for item in value) + "}"
    return json.dumps(value, ensure_ascii=False)


class _RefusedError(Exception):
    """GraphQL knows the question wrong; the text is its own."""


class Claims:
    """Makes the Hasura claims of a user."""

    def __init__(self, settings: Settings, http: httpx.AsyncClient) -> None:
        self._paths = {name.lower(): parse_path(path) for name, path in settings.jwt_custom_claims.items()}
        self._defaults = {name.lower(): value for name, value in settings.jwt_custom_claims_defaults.items()}
        self._url, self._secret, self._http = settings.graphql_url, settings.admin_secret, http
        if self._paths and not self._url:
            raise SettingsError("AUTH_JWT_CUSTOM_CLAIMS needs HASURA_GRAPHQL_GRAPHQL_URL")

    async def of(self, user: User, *, elevated: bool = False) -> dict[str, Any]:
        """The claims; custom ones never replace those that permissions rest on."""
        claims: dict[str, Any] = {}
        if self._paths:
            claims = {f"x-hasura-{name}": encode(value) for name, value in (await self._custom(str(user.id))).items()}
        claims |= {
            "x-hasura-allowed-roles": list(dict.fromkeys([*user.roles, user.default_role])),
            "x-hasura-default-role": user.default_role,
            "x-hasura-user-id": str(user.id),
            "x-hasura-user-is-anonymous": "true" if user.is_anonymous else "false",
        }
        claims.pop("x-hasura-auth-elevated", None)
        if elevated:
            claims["x-hasura-auth-elevated"] = str(user.id)
        return claims

    async def _custom(self, user_id: str) -> dict[str, Any]:
        """Values of the paths. When GraphQL does not answer, sign-in goes on with the defaults alone: fewer rights, not more."""
        try:
            found = await self._ask(user_id, self._paths.values())
            values = {name: extract(found, path) for name, path in self._paths.items()}
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            log.warning("custom claims are left out: %s", type(error).__name__)
            values = {}
        except _RefusedError:  # by one path, perhaps: the others' claims still hold
            values = {name: await self._one(user_id, name, path) for name, path in self._paths.items()}
        merged = {name: self._defaults.get(name) if values.get(name) is None else values[name] for name in self._paths}
        return {name: value for name, value in merged.items() if value is not None}

    async def _one(self, user_id: str, name: str, path: list[tuple[str, list[str]]]) -> Any:
        try:
            return extract(await self._ask(user_id, [path]), path)
        except (httpx.HTTPError, ValueError, KeyError, TypeError, _RefusedError) as error:
            log.warning("custom claim %s (%s) is left out: %s", name, ".".join(part for part, _ in path), error)
            return None

    async def _ask(self, user_id: str, paths: Collection[list[tuple[str, list[str]]]]) -> Any:
        """The user with what these paths go through."""
        answer = await self._http.post(
            self._url,
            json={"query": _QUERY % selection(list(paths)), "variables": {"id": user_id}},
            headers={"x-hasura-admin-secret": self._secret} if self._secret else {},
        )
        body = answer.raise_for_status().json()
        if body.get("errors"):
            raise _RefusedError(body["errors"][0]["message"])
        return body["data"]["user"] or {}
