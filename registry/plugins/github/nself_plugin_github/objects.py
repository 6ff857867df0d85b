"""GitHub's objects (https://docs.github.com/rest), the table of each and where its columns stand in the object.

What belongs to a repository carries ``repository_id``, laid into the object when it comes (``of_repository``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hookspecs.mirror import Mirror, Source, at


def _mirror(table: str, *same: str, key: tuple[str, ...] = ("id",), **columns: Source) -> Mirror:
    """``same``: columns that are named as the fields are."""
    return Mirror(f"np_github_{table}", {name: name for name in same} | columns, key)


def of_repository(thing: Mapping[str, Any], repository: int, **more: Any) -> dict[str, Any]:
    """The object with what it does not tell by itself."""
    return {**thing, "repository_id": repository, **more}


def _names(path: str, field: str) -> Callable[[Mapping[str, Any]], list[Any]]:
    """One field of each object in a list."""
    return lambda thing: [one.get(field) for one in at(thing, path) or () if isinstance(one, Mapping)]


def _last_number(path: str) -> Callable[[Mapping[str, Any]], int | None]:
    """The number an address ends with: comments name their issue by address alone."""

    def read(thing: Mapping[str, Any]) -> int | None:
        end = str(at(thing, path) or "").rpartition("/")[2]
        return int(end) if end.isdigit() else None

    return read


ORGANIZATIONS = _mirror(
    "organizations",
    "id",
    "login",
    "name",
    "description",
    "email",
    "public_repos",
    "followers",
    "html_url",
    "created_at",
    "updated_at",
)
REPOSITORIES = _mirror(
    "repositories",
    "id",
    "name",
    "full_name",
    "description",
    "default_branch",
    "language",
    "visibility",
    "private",
    "fork",
    "archived",
    "size",
    "topics",
    "html_url",
    "pushed_at",
    "created_at",
    "updated_at",
    owner_id="owner.id",
    owner="owner.login",
    stargazers="stargazers_count",
    forks="forks_count",
    open_issues="open_issues_count",
)
BRANCHES = _mirror(
    "branches",
    "repository_id",
    "name",
    "protected",
    key=("repository_id", "name"),
    sha="commit.sha",
)
TAGS = _mirror(
    "tags",
    "repository_id",
    "name",
    key=("repository_id", "name"),
    sha="commit.sha",
)
LABELS = _mirror(
    "labels",
    "id",
    "repository_id",
    "name",
    "color",
    "description",
)
MILESTONES = _mirror(
    "milestones",
    "id",
    "repository_id",
    "number",
    "title",
    "state",
    "description",
    "open_issues",
    "closed_issues",
    "due_on",
    "closed_at",
    "created_at",
    "updated_at",
)
ISSUES = _mirror(
    "issues",
    "id",
    "repository_id",
    "number",
    "title",
    "body",
    "state",
    "state_reason",
    "comments",
    "locked",
    "html_url",
    "closed_at",
    "created_at",
    "updated_at",
    author_id="user.id",
    author="user.login",
    labels=_names("labels", "name"),
    assignees=_names("assignees", "login"),
    milestone_id="milestone.id",
)
PULL_REQUESTS = _mirror(
    "pull_requests",
    "id",
    "repository_id",
    "number",
    "title",
    "body",
    "state",
    "draft",
    "merge_commit_sha",
    "additions",
    "deletions",
    "changed_files",
    "html_url",
    "merged_at",
    "closed_at",
    "created_at",
    "updated_at",
    merged=lambda thing: bool(thing.get("merged_at")),
    author_id="user.id",
    author="user.login",
    head_ref="head.ref",
    head_sha="head.sha",
    base_ref="base.ref",
    base_sha="base.sha",
    labels=_names("labels", "name"),
    assignees=_names("assignees", "login"),
    reviewers=_names("requested_reviewers", "login"),
    milestone_id="milestone.id",
)
PR_REVIEWS = _mirror(
    "pr_reviews",
    "id",
    "repository_id",
    "pull_request_number",
    "state",
    "body",
    "html_url",
    "submitted_at",
    author_id="user.id",
    author="user.login",
    commit_sha="commit_id",
)
ISSUE_COMMENTS = _mirror(
    "issue_comments",
    "id",
    "repository_id",
    "body",
    "html_url",
    "created_at",
    "updated_at",
    issue_number=_last_number("issue_url"),
    author_id="user.id",
    author="user.login",
)
PR_REVIEW_COMMENTS = _mirror(
    "pr_review_comments",
    "id",
    "repository_id",
    "in_reply_to_id",
    "body",
    "path",
    "line",
    "side",
    "html_url",
    "created_at",
    "updated_at",
    pull_request_number=_last_number("pull_request_url"),
    review_id="pull_request_review_id",
    author_id="user.id",
    author="user.login",
    commit_sha="commit_id",
)
COMMIT_COMMENTS = _mirror(
    "commit_comments",
    "id",
    "repository_id",
    "body",
    "path",
    "position",
    "html_url",
    "created_at",
    "updated_at",
    commit_sha="commit_id",
    author_id="user.id",
    author="user.login",
)
COMMITS = _mirror(
    "commits",
    "repository_id",
    "sha",
    "html_url",
    key=("repository_id", "sha"),
    message="commit.message",
    author_name="commit.author.name",
    author_email="commit.author.email",
    authored_at="commit.author.date",
    committed_at="commit.committer.date",
    author_id="author.id",
    author="author.login",
    parents=_names("parents", "sha"),
    verified="commit.verification.verified",
)
RELEASES = _mirror(
    "releases",
    "id",
    "repository_id",
    "name",
    "body",
    "draft",
    "prerelease",
    "html_url",
    "published_at",
    "created_at",
    tag="tag_name",
    author_id="author.id",
    author="author.login",
    target="target_commitish",
)
WORKFLOWS = _mirror(
    "workflows",
    "id",
    "repository_id",
    "name",
    "path",
    "state",
    "html_url",
    "created_at",
    "updated_at",
)
WORKFLOW_RUNS = _mirror(
    "workflow_runs",
    "id",
    "repository_id",
    "workflow_id",
    "name",
    "run_number",
    "run_attempt",
    "event",
    "status",
    "conclusion",
    "head_branch",
    "head_sha",
    "html_url",
    "run_started_at",
    "created_at",
    "updated_at",
    actor_id="actor.id",
    actor="actor.login",
)
WORKFLOW_JOBS = _mirror(
    "workflow_jobs",
    "id",
    "repository_id",
    "run_id",
    "run_attempt",
    "name",
    "status",
    "conclusion",
    "head_sha",
    "runner_name",
    "labels",
    "steps",
    "html_url",
    "started_at",
    "completed_at",
)
CHECK_SUITES = _mirror(
    "check_suites",
    "id",
    "repository_id",
    "status",
    "conclusion",
    "head_branch",
    "head_sha",
    "created_at",
    "updated_at",
    app="app.slug",
)
CHECK_RUNS = _mirror(
    "check_runs",
    "id",
    "repository_id",
    "name",
    "status",
    "conclusion",
    "head_sha",
    "html_url",
    "started_at",
    "completed_at",
    check_suite_id="check_suite.id",
    app="app.slug",
)
DEPLOYMENTS = _mirror(
    "deployments",
    "id",
    "repository_id",
    "environment",
    "ref",
    "sha",
    "task",
    "description",
    "state",
    "created_at",
    "updated_at",
    creator_id="creator.id",
    creator="creator.login",
)
TEAMS = _mirror(
    "teams",
    "id",
    "organization",
    "name",
    "slug",
    "description",
    "privacy",
    "permission",
    "html_url",
    parent_id="parent.id",
)
COLLABORATORS = _mirror(
    "collaborators",
    "repository_id",
    "id",
    "login",
    "type",
    "role_name",
    "permissions",
    "html_url",
    key=("repository_id", "id"),
)

ALL = (
    ORGANIZATIONS,
    REPOSITORIES,
    BRANCHES,
    TAGS,
    LABELS,
    MILESTONES,
    ISSUES,
    PULL_REQUESTS,
    PR_REVIEWS,
    ISSUE_COMMENTS,
    PR_REVIEW_COMMENTS,
    COMMIT_COMMENTS,
    COMMITS,
    RELEASES,
    WORKFLOWS,
    WORKFLOW_RUNS,
    WORKFLOW_JOBS,
    CHECK_SUITES,
    CHECK_RUNS,
    DEPLOYMENTS,
    TEAMS,
    COLLABORATORS,
)
