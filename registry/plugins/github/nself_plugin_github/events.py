"""Webhooks (https://docs.github.com/webhooks/webhook-events-and-payloads), each laid into the copy."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from hookspecs import WebhookResult
from hookspecs.mirror import Mirror, delete, upsert
from nself_plugin_github import objects
from nself_plugin_github.accounts import PRIMARY
from nself_plugin_github.objects import of_repository

if TYPE_CHECKING:
    import asyncpg

    from hookspecs import Event, HostContext

#: Event → the field that holds its object, and the mirror it goes to.
OBJECTS: dict[str, tuple[str, Mirror]] = {
    "pull_request": ("pull_request", objects.PULL_REQUESTS),
    "issues": ("issue", objects.ISSUES),
    "issue_comment": ("comment", objects.ISSUE_COMMENTS),
    "pull_request_review": ("review", objects.PR_REVIEWS),
    "pull_request_review_comment": ("comment", objects.PR_REVIEW_COMMENTS),
    "commit_comment": ("comment", objects.COMMIT_COMMENTS),
    "release": ("release", objects.RELEASES),
    "label": ("label", objects.LABELS),
    "milestone": ("milestone", objects.MILESTONES),
    "workflow_run": ("workflow_run", objects.WORKFLOW_RUNS),
    "workflow_job": ("workflow_job", objects.WORKFLOW_JOBS),
    "check_suite": ("check_suite", objects.CHECK_SUITES),
    "check_run": ("check_run", objects.CHECK_RUNS),
    "deployment": ("deployment", objects.DEPLOYMENTS),
    "deployment_status": ("deployment", objects.DEPLOYMENTS),
    "member": ("member", objects.COLLABORATORS),
    "team": ("team", objects.TEAMS),
}
#: Actions after which the object is no longer there.
GONE = frozenset({"deleted", "removed", "transferred"})


async def handle(event: Event, host: HostContext) -> WebhookResult:
    """Store the event and what it tells, in one transaction; the same event twice changes nothing."""
    body = event.payload
    repository = body.get("repository") or {}
    account = await account_of(host, body)
    async with host.pool.acquire() as connection, connection.transaction():
        await connection.execute(
            "INSERT INTO np_github_webhook_events (source_account_id, id, type, action, repository_id, sender, data, received_at)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
            account, event.id, event.type, body.get("action"), repository.get("id"),
            (body.get("sender") or {}).get("login"), body, event.received_at,
        )  # fmt: skip
        if repository and "node_id" in repository and event.type != "repository":
            await upsert(connection, objects.REPOSITORIES, account, [_like_rest(repository)], event.received_at)
        return await _lay_in(connection, account, event, body, repository)


async def _lay_in(
    connection: asyncpg.Connection, account: str, event: Event, body: Mapping[str, Any], repository: Mapping[str, Any]
) -> WebhookResult:
    if event.type in OBJECTS:
        return await _object(connection, account, event, body, repository, *OBJECTS[event.type])
    match event.type:
        case "push":
            detail = await _push(connection, account, event.received_at, body, repository["id"])
        case "create" | "delete":
            detail = await _reference(connection, account, event, body, repository["id"])
        case "repository":
            detail = await _repository(connection, account, event.received_at, body)
        case "star" | "fork" | "public":
            detail = f"{repository.get('full_name')} as it is now"
        case "organization":
            await upsert(connection, objects.ORGANIZATIONS, account, [body["organization"]], event.received_at)
            detail = f"organisation {body['organization']['login']}"
        case _:
            return WebhookResult(handled=event.type == "ping", detail=f"{event.type} is kept, and has no table of its own")
    return WebhookResult(detail=detail)


async def _object(
    connection: asyncpg.Connection,
    account: str,
    event: Event,
    body: Mapping[str, Any],
    repository: Mapping[str, Any],
    field: str,
    mirror: Mirror,
) -> WebhookResult:
    thing = {**body[field], **_more(event.type, body)}
    if repository:
        thing = of_repository(thing, repository["id"])
    as_of = _as_of(thing, event.received_at)
    if body.get("action") in GONE:
        await delete(connection, mirror, account, [thing[name] for name in mirror.key], event.received_at)
        return WebhookResult(detail=f"{field} {thing['id']} is gone")
    await upsert(connection, mirror, account, [thing], as_of)
    return WebhookResult(detail=f"{field} {thing['id']}")


def _more(type: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """What the object does not tell and the event does."""
    if type == "pull_request_review":
        return {"pull_request_number": body["pull_request"]["number"], "state": body["review"]["state"].upper()}
    if type == "deployment_status":
        return {"state": body["deployment_status"]["state"], "updated_at": body["deployment_status"].get("updated_at")}
    if type == "team":
        return {"organization": (body.get("organization") or {}).get("login")}
    return {}


def _as_of(thing: Mapping[str, Any], received: datetime) -> datetime:
    """When the object was so: its own time of change where it has one, for webhooks overtake each other."""
    try:
        return min(datetime.fromisoformat(thing["updated_at"]), received)
    except (KeyError, TypeError, ValueError):
        return received


async def _push(
    connection: asyncpg.Connection, account: str, received: datetime, body: Mapping[str, Any], repository: int
) -> str:
    """Commits of a push have another form than those of the API; a sync fills in what they lack."""
    branch = body["ref"].removeprefix("refs/heads/")
    commits = [
        of_repository(
            {
                "sha": one["id"],
                "html_url": one.get("url"),
                "commit": {
                    "message": one["message"],
                    "author": {**one["author"], "date": one["timestamp"]},
                    "committer": {**one["committer"], "date": one["timestamp"]},
                },
                "author": {"login": one["author"].get("username")},
            },
            repository,
        )
        for one in body.get("commits") or ()
    ]
    await upsert(connection, objects.COMMITS, account, commits, received)
    if body["ref"].startswith("refs/heads/"):
        if body.get("deleted"):
            await delete(connection, objects.BRANCHES, account, [repository, branch], received)
        else:
            head = of_repository({"name": branch, "commit": {"sha": body["after"]}}, repository)
            await upsert(connection, objects.BRANCHES, account, [head], received)
    return f"{len(commits)} commits on {branch}"


async def _reference(connection: asyncpg.Connection, account: str, event: Event, body: Mapping[str, Any], repository: int) -> str:
    mirror = objects.BRANCHES if body["ref_type"] == "branch" else objects.TAGS
    if event.type == "delete":
        await delete(connection, mirror, account, [repository, body["ref"]], event.received_at)
    else:
        await upsert(connection, mirror, account, [of_repository({"name": body["ref"]}, repository)], event.received_at)
    return f"{event.type} {body['ref_type']} {body['ref']}"


async def _repository(connection: asyncpg.Connection, account: str, received: datetime, body: Mapping[str, Any]) -> str:
    repository = body["repository"]
    if body.get("action") in GONE:
        await delete(connection, objects.REPOSITORIES, account, [repository["id"]], received)
    else:
        await upsert(connection, objects.REPOSITORIES, account, [_like_rest(repository)], received)
    return f"{repository['full_name']} {body.get('action')}"


def _like_rest(repository: Mapping[str, Any]) -> dict[str, Any]:
    """A push tells times as numbers where everything else has texts."""
    from datetime import UTC

    return {
        name: datetime.fromtimestamp(value, UTC).isoformat()
        if name in {"created_at", "pushed_at"} and isinstance(value, int)
        else value
        for name, value in repository.items()
    }


async def account_of(host: HostContext, body: Mapping[str, Any]) -> str:
    """Whose event it is: the account that has the repository already, else the one named as its owner, else the primary one."""
    repository = body.get("repository") or {}
    if repository:
        known = await host.pool.fetchval(
            "SELECT source_account_id FROM np_github_repositories WHERE id = $1 LIMIT 1", repository.get("id")
        )
        if known:
            return str(known)
    owner = (repository.get("owner") or body.get("organization") or {}).get("login", "").lower()
    labels = [label.lower() for label in host.settings["GITHUB_ACCOUNT_LABELS"] or ()]
    return owner if owner in labels else PRIMARY
