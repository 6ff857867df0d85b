"""A stand-in for GitHub's REST API: its lists, Link headers, rate limit and signatures, over HTTP on loopback."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from hookspecs.testing import Received, Receiver

TOKEN = "ghp_of_this_test"
SECRET = "a-secret-of-this-test-alone-0123456789"
USER = {"id": 7, "login": "ada", "type": "User"}


class FakeGithub(Receiver):
    """Objects and lists by path. ``limited`` answers that many requests with the rate limit first."""

    def __init__(self) -> None:
        super().__init__()
        self.objects: dict[str, dict[str, Any]] = {}
        self.lists: dict[str, list[dict[str, Any]]] = {}
        self.within: dict[str, str] = {}
        self.refused: dict[str, int] = {}
        self.limited = 0
        self.answer = self._answer

    def asked(self, path: str) -> list[Received]:
        return [request for request in self.got if urlsplit(request.path).path == path]

    def _answer(self, request: Received) -> tuple[int, Mapping[str, str], bytes]:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return self._json(401, {"message": "Bad credentials"})
        if self.limited:
            self.limited -= 1
            headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(time.time()))}
            return self._json(403, {"message": "API rate limit exceeded"}, headers)
        parts = urlsplit(request.path)
        if parts.path in self.refused:
            return self._json(self.refused[parts.path], {"message": "Not here"})
        if parts.path in self.objects:
            return self._json(200, self.objects[parts.path])
        return self._list(parts.path, {name: values[-1] for name, values in parse_qs(parts.query).items()})

    def _list(self, path: str, query: dict[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        things = self.lists.get(path, [])
        if "since" in query:
            things = [thing for thing in things if thing.get("updated_at", "9") >= query["since"]]
        size, page = int(query.get("per_page", 30)), int(query.get("page", 1))
        part = things[(page - 1) * size : page * size]
        headers = {}
        if page * size < len(things):
            following = urlencode({**query, "page": page + 1})
            headers["link"] = f'<{self.url}{path}?{following}>; rel="next", <{self.url}{path}?page=9>; rel="last"'
        field = self.within.get(path)
        return self._json(200, {"total_count": len(things), field: part} if field else part, headers)

    @staticmethod
    def _json(status: int, body: Any, headers: Mapping[str, str] | None = None) -> tuple[int, Mapping[str, str], bytes]:
        return status, {"content-type": "application/json", **(headers or {})}, json.dumps(body).encode()


def signed(body: bytes, event: str, id: str, *, secret: str = SECRET) -> dict[str, str]:
    """The headers that GitHub sends an event with."""
    mac = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"x-hub-signature-256": f"sha256={mac}", "x-github-event": event, "x-github-delivery": id}


def repository(number: int, name: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": number, "node_id": f"R_{number}", "name": name, "full_name": f"acme/{name}", "owner": {"id": 1, "login": "acme"},
        "description": f"About {name}", "default_branch": "main", "language": "Python", "visibility": "private", "private": True,
        "fork": False, "archived": False, "stargazers_count": 3, "forks_count": 0, "open_issues_count": 1, "size": 10,
        "topics": ["a", "b"], "html_url": f"https://github.com/acme/{name}", "pushed_at": "2026-01-02T00:00:00Z",
        "created_at": "2020-01-01T00:00:00Z", "updated_at": "2026-01-02T00:00:00Z", **fields,
    }  # fmt: skip


def issue(number: int, updated: str = "2026-11-01T00:00:00Z", **fields: Any) -> dict[str, Any]:
    return {
        "id": 1000 + number, "number": number, "title": f"Issue {number}", "body": "x", "state": "open", "user": USER,
        "labels": [{"id": 1, "name": "bug"}], "assignees": [USER], "comments": 0, "locked": False, "html_url": "u",
        "created_at": "2026-01-01T00:00:00Z", "updated_at": updated, **fields,
    }  # fmt: skip


def pull(number: int, updated: str = "2026-11-01T00:00:00Z", **fields: Any) -> dict[str, Any]:
    return {
        **issue(number, updated), "id": 5000 + number, "draft": False, "head": {"ref": "topic", "sha": "a" * 40},
        "base": {"ref": "main", "sha": "b" * 40}, "requested_reviewers": [], "merged_at": None, **fields,
    }  # fmt: skip


def run(number: int, conclusion: str, updated: str) -> dict[str, Any]:
    return {
        "id": 9000 + number, "workflow_id": 1, "name": "CI", "run_number": number, "run_attempt": 1, "event": "push",
        "status": "completed", "conclusion": conclusion, "head_branch": "main", "head_sha": "a" * 40, "actor": USER,
        "run_started_at": "2026-11-01T00:00:00Z", "created_at": "2026-11-01T00:00:00Z", "updated_at": updated,
    }  # fmt: skip
