"""GitHub on a real stack, against a stand-in of its API: syncs with pages and limits, events in any order, rights."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hookspecs.testing import PluginStack

sys.path.insert(0, str(Path(__file__).parent))
from fake_github import SECRET, TOKEN, USER, FakeGithub, issue, pull, repository, run, signed

pytestmark = pytest.mark.slow
SITE = "/repos/acme/site"


@pytest.fixture(scope="module")
def github() -> Iterator[FakeGithub]:
    made = FakeGithub()
    yield made
    made.close()


@pytest.fixture(scope="module")
def nself_settings(github: FakeGithub) -> dict[str, str]:
    return {
        "GITHUB_TOKEN": TOKEN,
        "GITHUB_WEBHOOK_SECRET": SECRET,
        "GITHUB_ORG": "acme",
        "GITHUB_API_BASE": github.url,
        "GITHUB_SYNC_INTERVAL": "0",
    }


def sync(stack: PluginStack, *options: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Sync and wait until nothing is under way any more; the states by repository and kind."""
    before = stack.sql("SELECT now()")[0][0]
    stack.cli("github", "sync", *options)
    ended = "SELECT count(*) FROM np_github_syncs WHERE scope = 'acme/docs' AND resource = 'checks' AND started_at > $1" + (
        " AND (finished_at IS NOT NULL OR error <> '')"
    )
    stack.until(lambda: stack.sql(ended, before)[0][0], 120)
    return {(state["scope"], state["resource"]): state for state in stack.http.get("syncs").json()}


def send(stack: PluginStack, event: str, body: dict[str, Any], id: str, secret: str = SECRET) -> int:
    data = json.dumps({"sender": USER, **body}).encode()
    return stack.webhook(data, signed(data, event, id, secret=secret)).status_code


def test_a_whole_sync(nself_stack: PluginStack, github: FakeGithub) -> None:
    github.objects["/orgs/acme"] = {
        "id": 1,
        "login": "acme",
        "name": "Acme",
        "public_repos": 2,
        "created_at": "2019-01-01T00:00:00Z",
    }
    github.lists["/orgs/acme/teams"] = [{"id": 3, "name": "Core", "slug": "core", "privacy": "closed", "permission": "push"}]
    github.lists["/orgs/acme/repos"] = [repository(10, "site"), repository(11, "docs", pushed_at="2025-01-01T00:00:00Z")]
    github.lists[f"{SITE}/issues"] = [issue(n) for n in range(1, 151)] + [{**issue(500), "pull_request": {"url": "x"}}]
    github.lists[f"{SITE}/pulls"] = [pull(500), pull(499, "2020-01-01T00:00:00Z")]
    github.lists[f"{SITE}/pulls/500/reviews"] = [
        {"id": 1, "user": USER, "state": "APPROVED", "submitted_at": "2026-11-01T00:00:00Z"}
    ]
    github.lists[f"{SITE}/branches"] = [{"name": "main", "commit": {"sha": "a" * 40}, "protected": True}]
    github.lists[f"{SITE}/issues/comments"] = [
        {
            "id": 70,
            "user": USER,
            "body": "hi",
            "issue_url": "https://api.github.com/repos/acme/site/issues/5",
            "updated_at": "2026-11-01T00:00:00Z",
        }
    ]
    github.lists[f"{SITE}/actions/runs"] = [run(1, "failure", "2026-11-01T00:10:00Z"), run(2, "success", "2026-11-01T00:20:00Z")]
    github.within[f"{SITE}/actions/runs"] = github.within["/repos/acme/docs/actions/runs"] = "workflow_runs"
    github.lists[f"{SITE}/actions/runs/9001/jobs"] = [
        {"id": 1, "run_id": 9001, "name": "test", "status": "completed", "labels": ["x"], "steps": []}
    ]
    for path in ("9001", "9002"):
        github.within[f"{SITE}/actions/runs/{path}/jobs"] = "jobs"
    for name in ("site", "docs"):
        github.within[f"/repos/acme/{name}/actions/workflows"] = "workflows"
        for what in ("check-suites", "check-runs"):
            github.within[f"/repos/acme/{name}/commits/main/{what}"] = what.replace("-", "_")
    github.refused["/repos/acme/docs/actions/runs"] = 404
    github.limited = 1
    states = sync(nself_stack)
    assert states["acme/site", "issues"]["objects"] == 150
    assert len(github.asked(f"{SITE}/issues")) == 2, "two pages"
    assert states["acme/docs", "workflow_runs"]["error"].endswith("Not here"), "what is refused does not stop the rest"
    assert nself_stack.sql("SELECT count(*) FROM np_github_issues") == [(150,)], "the pull request in the list is none of them"
    (one,) = nself_stack.sql("SELECT labels::text, assignees::text, author FROM np_github_issues WHERE number = 1")
    assert one == ('["bug"]', '["ada"]', "ada")
    assert nself_stack.sql("SELECT issue_number FROM np_github_issue_comments") == [(5,)]
    assert nself_stack.sql("SELECT number, approvals FROM np_github_open_pull_requests") == [(500, 1)]
    (health,) = nself_stack.sql("SELECT runs, failures, average_seconds::int FROM np_github_workflow_health")
    assert health == (2, 1, 900)
    assert nself_stack.sql("SELECT name, run_id FROM np_github_workflow_jobs") == [("test", 9001)]
    assert nself_stack.sql("SELECT organization, slug FROM np_github_teams") == [("acme", "core")]


def test_the_next_sync_asks_for_what_changed_alone(nself_stack: PluginStack, github: FakeGithub) -> None:
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 60))
    github.lists[f"{SITE}/issues"][0] = issue(1, soon, title="Renamed", state="closed")
    github.lists[f"{SITE}/branches"] = [{"name": "trunk", "commit": {"sha": "c" * 40}, "protected": False}]
    states = sync(nself_stack)
    assert states["acme/site", "issues"]["objects"] == 1
    assert nself_stack.sql("SELECT title, state FROM np_github_issues WHERE number = 1") == [("Renamed", "closed")]
    assert nself_stack.sql("SELECT name FROM np_github_branches WHERE deleted_at IS NULL") == [("trunk",)]
    assert states["acme/site", "branches"]["removed"] == 1
    assert sync(nself_stack, "--whole")["acme/site", "issues"]["objects"] == 150


def test_events_in_any_order(nself_stack: PluginStack) -> None:
    where = {"repository": repository(10, "site")}
    later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 120))
    newer = {"action": "edited", "issue": issue(900, later, title="New"), **where}
    older = {"action": "opened", "issue": issue(900, "2026-11-01T00:00:00Z", title="Old"), **where}
    assert send(nself_stack, "issues", newer, "d-1") in {200, 202, 204}
    nself_stack.until(lambda: nself_stack.sql("SELECT title FROM np_github_issues WHERE number = 900"))
    assert send(nself_stack, "issues", older, "d-2") in {200, 202, 204}
    assert send(nself_stack, "issues", newer, "d-1") in {200, 202, 204}
    nself_stack.until(lambda: nself_stack.sql("SELECT count(*) FROM np_github_webhook_events WHERE type = 'issues'") == [(2,)])
    assert nself_stack.sql("SELECT title FROM np_github_issues WHERE number = 900") == [("New",)]
    send(nself_stack, "issues", {**newer, "action": "deleted"}, "d-3")
    nself_stack.until(lambda: nself_stack.sql("SELECT 1 FROM np_github_issues WHERE number = 900 AND deleted_at IS NOT NULL"))


def test_main_events_reach_their_tables(nself_stack: PluginStack) -> None:
    where = {"repository": repository(10, "site", pushed_at=1_780_000_000, created_at=1_500_000_000)}
    merged = pull(501, merged_at="2026-11-02T00:00:00Z", state="closed")
    review = {"id": 2, "user": USER, "state": "approved"}
    person = {"name": "Ada", "email": "ada@example.com", "username": "ada"}
    commit = {"id": "d" * 40, "message": "Mend it", "timestamp": "2026-11-02T00:00:00Z", "author": person, "committer": person}
    events: dict[str, dict[str, Any]] = {
        "push": {"ref": "refs/heads/feature", "after": "d" * 40, "commits": [commit], **where},
        "pull_request": {"action": "closed", "pull_request": merged, **where},
        "pull_request_review": {
            "action": "submitted", "review": review, "pull_request": {"number": 501}, **where
        },
        "issue_comment": {"action": "created", "comment": {"id": 71, "user": USER, "body": "yo", "issue_url": "x/6"}, **where},
        "release": {"action": "published", "release": {"id": 4, "tag_name": "v1", "name": "One", "author": USER}, **where},
        "workflow_run": {"action": "completed", "workflow_run": run(3, "success", "2026-11-02T00:00:00Z"), **where},
        "deployment": {"deployment": {"id": 8, "environment": "prod", "creator": USER, "sha": "d" * 40}, **where},
        "deployment_status": {
            "deployment": {"id": 8, "environment": "prod"}, "deployment_status": {"state": "success"}, **where
        },
        "create": {"ref": "v2", "ref_type": "tag", **where},
        "star": {"action": "created", **where},
    }  # fmt: skip
    for number, (event, body) in enumerate(events.items()):
        assert send(nself_stack, event, body, f"m-{number}") in {200, 202, 204}, event
    expected = {
        "SELECT message FROM np_github_commits WHERE author = 'ada'": "Mend it",
        "SELECT sha FROM np_github_branches WHERE name = 'feature'": "d" * 40,
        "SELECT merged FROM np_github_pull_requests WHERE number = 501": True,
        "SELECT state FROM np_github_pr_reviews WHERE pull_request_number = 501": "APPROVED",
        "SELECT issue_number FROM np_github_issue_comments WHERE id = 71": 6,
        "SELECT name FROM np_github_releases": "One",
        "SELECT conclusion FROM np_github_workflow_runs WHERE run_number = 3": "success",
        "SELECT state FROM np_github_deployments": "success",
        "SELECT name FROM np_github_tags": "v2",
    }
    for query, value in expected.items():
        nself_stack.until(lambda query=query, value=value: nself_stack.sql(query) == [(value,)])
    rows = nself_stack.graphql("{ np_github_releases { tag } }")
    assert rows["data"]["np_github_releases"] == [{"tag": "v1"}]


def test_forged_events_and_rights(nself_stack: PluginStack) -> None:
    assert send(nself_stack, "ping", {"zen": "x"}, "f-1", secret="somebody else's") in {400, 401, 403}
    data = b'{"zen": "x"}'
    assert nself_stack.webhook(data, {"x-github-event": "ping", "x-github-delivery": "f-2"}).status_code in {400, 401, 403}
    assert send(nself_stack, "ping", {"zen": "x"}, "f-3") in {200, 202, 204}
    assert nself_stack.anonymous.get("syncs").status_code == 401
    assert nself_stack.user("ada").get("syncs").status_code == 403


def test_commands(nself_stack: PluginStack, github: FakeGithub) -> None:
    github.objects["/rate_limit"] = {"resources": {"core": {"limit": 5000, "remaining": 4321, "reset": int(time.time()) + 60}}}
    assert nself_stack.json("github", "rate-limit")["remaining"] == 4321
    assert "acme/site" in nself_stack.cli("github", "status").stdout
    failed = nself_stack.json("github", "status", "--failed")
    assert [(state["scope"], state["resource"]) for state in failed] == [("acme/docs", "workflow_runs")]
