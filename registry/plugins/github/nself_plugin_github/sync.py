"""Syncs: what changed since the last one, repository by repository. One that is interrupted is simply done again from there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from hookspecs import Job
from hookspecs.mirror import Mirror, delete_unseen, upsert
from hookspecs.outside import OutsideError
from nself_plugin_github import objects
from nself_plugin_github.accounts import Account, accounts
from nself_plugin_github.api import Api
from nself_plugin_github.objects import of_repository

if TYPE_CHECKING:
    from hookspecs import HostContext

#: Changes may be seen a little late at GitHub; so much is asked for again.
OVERLAP = timedelta(minutes=10)


def jobs(host: HostContext) -> list[Job]:
    """The plugin's jobs."""

    async def sync(payload: Mapping[str, Any]) -> None:
        account = next((one for one in accounts(host) if one.name == payload["account"]), None)
        if account is None:
            host.logger.warning("the account %s has no token any more", payload["account"])
            return
        await Sync(host, account, Api(host, account), whole=bool(payload.get("whole"))).run()

    async def schedule(payload: Mapping[str, Any]) -> None:
        interval = host.settings["GITHUB_SYNC_INTERVAL"]
        for account in accounts(host) if interval else ():
            last = await host.pool.fetchval(
                "SELECT max(finished_at) FROM np_github_syncs WHERE source_account_id = $1 AND resource = 'repositories'",
                account.name,
            )
            if last is None or last < host.now() - timedelta(seconds=interval):
                await host.enqueue("sync", {"account": account.name}, key=account.name)

    return [
        Job(name="sync", run=sync, timeout=6 * 3600, retries=8),
        Job(name="schedule", run=schedule, schedule="*/5 * * * *", retries=0, timeout=60),
    ]


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of one repository. ``query`` gets the time since which changes are wanted.

    ``whole``: what the list does not show is gone.
    """

    mirror: Mirror
    path: str
    within: str = ""
    query: Callable[[datetime], dict[str, Any]] = lambda since: {}
    whole: bool = False

    @property
    def name(self) -> str:
        return self.mirror.table.removeprefix("np_github_")


def _since(moment: datetime) -> dict[str, Any]:
    return {"since": moment.strftime("%Y-%m-%dT%H:%M:%SZ")}


LISTINGS = (
    Listing(objects.LABELS, "/labels", whole=True),
    Listing(objects.MILESTONES, "/milestones", query=lambda since: {"state": "all"}, whole=True),
    Listing(objects.BRANCHES, "/branches", whole=True),
    Listing(objects.TAGS, "/tags", whole=True),
    Listing(objects.RELEASES, "/releases", whole=True),
    Listing(objects.COLLABORATORS, "/collaborators", whole=True),
    Listing(objects.COMMITS, "/commits", query=_since),
    Listing(objects.ISSUES, "/issues", query=lambda since: {"state": "all", **_since(since)}),
    Listing(objects.ISSUE_COMMENTS, "/issues/comments", query=_since),
    Listing(objects.PR_REVIEW_COMMENTS, "/pulls/comments", query=_since),
    Listing(objects.COMMIT_COMMENTS, "/comments"),
    Listing(objects.WORKFLOWS, "/actions/workflows", "workflows"),
    Listing(objects.DEPLOYMENTS, "/deployments"),
)


class Sync:
    """One sync of one account."""

    def __init__(self, host: HostContext, account: Account, api: Api, *, whole: bool = False) -> None:
        self._host = host
        self._account = account
        self._api = api
        self._whole = whole

    async def run(self) -> None:
        """Organisation, repositories, and everything of each. What GitHub refuses is noted, and the rest goes on."""
        await self._part("", "repositories", self._repositories)
        rows = await self._host.pool.fetch(
            "SELECT id, full_name, default_branch FROM np_github_repositories"
            " WHERE source_account_id = $1 AND deleted_at IS NULL ORDER BY pushed_at DESC NULLS LAST",
            self._account.name,
        )
        for row in rows:
            await self._repository(row["id"], row["full_name"], row["default_branch"])

    async def _repositories(self, since: datetime) -> tuple[int, int]:
        started, seen = self._host.now(), 0
        account = self._account
        if account.organization:
            organization = await self._api.get(f"/orgs/{account.organization}")
            await self._store(objects.ORGANIZATIONS, [organization], self._host.now())
            async for asked, page in self._api.pages(f"/orgs/{account.organization}/teams"):
                await self._store(objects.TEAMS, [{**team, "organization": account.organization} for team in page], asked)
            async for asked, page in self._api.pages(f"/orgs/{account.organization}/repos"):
                seen += await self._store(objects.REPOSITORIES, page, asked)
        for name in account.repositories:
            asked = self._host.now()
            seen += await self._store(objects.REPOSITORIES, [await self._api.get(f"/repos/{name}")], asked)
        if not account.organization and not account.repositories:
            async for asked, page in self._api.pages("/user/repos"):
                seen += await self._store(objects.REPOSITORIES, page, asked)
        gone = await delete_unseen(self._host.pool, objects.REPOSITORIES, account.name, started)
        return seen, len(gone)

    async def _repository(self, repository: int, name: str, branch: str | None) -> None:
        for listing in LISTINGS:

            async def part(since: datetime, listing: Listing = listing) -> tuple[int, int]:
                return await self._listing(repository, name, listing, since)

            await self._part(name, listing.name, part)

        async def pulls(since: datetime) -> tuple[int, int]:
            return await self._pull_requests(repository, name, since), 0

        async def runs(since: datetime) -> tuple[int, int]:
            return await self._workflow_runs(repository, name, since), 0

        async def checks(since: datetime) -> tuple[int, int]:
            return await self._checks(repository, name, branch), 0

        await self._part(name, "pull_requests", pulls)
        await self._part(name, "workflow_runs", runs)
        if branch:
            await self._part(name, "checks", checks)

    async def _listing(self, repository: int, name: str, listing: Listing, since: datetime) -> tuple[int, int]:
        started, seen = self._host.now(), 0
        async for asked, page in self._api.pages(f"/repos/{name}{listing.path}", listing.within, **listing.query(since)):
            # the list of issues shows pull requests, too
            things = [of_repository(thing, repository) for thing in page if "pull_request" not in thing]
            seen += len(things)
            await self._store(listing.mirror, things, asked)
        gone = 0
        if listing.whole:
            done = await self._host.pool.execute(
                f'UPDATE "{listing.mirror.table}" SET deleted_at = now() WHERE source_account_id = $1'  # noqa: S608  a name of ours
                " AND repository_id = $2 AND as_of < $3 AND deleted_at IS NULL",
                self._account.name,
                repository,
                started,
            )
            gone = int(done.rpartition(" ")[2])
        return seen, gone

    async def _pull_requests(self, repository: int, name: str, since: datetime) -> int:
        """Newest changes first, until what is known; the list has no ``since``. With the reviews of each."""
        seen = 0
        async for asked, page in self._api.pages(f"/repos/{name}/pulls", state="all", sort="updated", direction="desc"):
            changed = [pull for pull in page if datetime.fromisoformat(pull["updated_at"]) >= since]
            await self._store(objects.PULL_REQUESTS, [of_repository(pull, repository) for pull in changed], asked)
            for pull in changed:
                async for then, reviews in self._api.pages(f"/repos/{name}/pulls/{pull['number']}/reviews"):
                    more = [of_repository(one, repository, pull_request_number=pull["number"]) for one in reviews]
                    await self._store(objects.PR_REVIEWS, more, then)
            seen += len(changed)
            if len(changed) < len(page):
                break
        return seen

    async def _workflow_runs(self, repository: int, name: str, since: datetime) -> int:
        seen = 0
        path = f"/repos/{name}/actions/runs"
        async for asked, page in self._api.pages(path, "workflow_runs", created=f">={since:%Y-%m-%d}"):
            await self._store(objects.WORKFLOW_RUNS, [of_repository(run, repository) for run in page], asked)
            for run in page:
                if datetime.fromisoformat(run["updated_at"]) >= since:
                    async for then, found in self._api.pages(f"{path}/{run['id']}/jobs", "jobs"):
                        await self._store(objects.WORKFLOW_JOBS, [of_repository(job, repository) for job in found], then)
            seen += len(page)
        return seen

    async def _checks(self, repository: int, name: str, branch: str | None) -> int:
        """The checks of the default branch's newest commit; those of others come by webhooks."""
        seen = 0
        for mirror, what in ((objects.CHECK_SUITES, "check_suites"), (objects.CHECK_RUNS, "check_runs")):
            path = f"/repos/{name}/commits/{branch}/{what.replace('_', '-')}"
            async for asked, page in self._api.pages(path, what):
                await self._store(mirror, [of_repository(check, repository) for check in page], asked)
                seen += len(page)
        return seen

    async def _store(self, mirror: Mirror, things: list[dict[str, Any]], asked: datetime) -> int:
        await upsert(self._host.pool, mirror, self._account.name, things, asked)
        return len(things)

    async def _part(self, scope: str, resource: str, work: Callable[[datetime], Awaitable[tuple[int, int]]]) -> None:
        """Do one part and note how it went. What is refused to it alone (a feature that is off) does not stop the rest."""
        key = (self._account.name, scope, resource)
        started = self._host.now()
        known = await self._host.pool.fetchval(
            "INSERT INTO np_github_syncs (source_account_id, scope, resource, started_at) VALUES ($1, $2, $3, $4)"
            " ON CONFLICT (source_account_id, scope, resource) DO UPDATE SET started_at = excluded.started_at,"
            " finished_at = NULL, error = '' RETURNING complete_until",
            *key,
            started,
        )
        oldest = started - timedelta(days=self._host.settings["GITHUB_SYNC_DAYS"])
        since = oldest if known is None or self._whole else known - OVERLAP
        try:
            seen, removed = await work(since)
        except OutsideError as error:
            await self._host.pool.execute(
                "UPDATE np_github_syncs SET error = $4 WHERE source_account_id = $1 AND scope = $2 AND resource = $3",
                *key,
                str(error),
            )
            if error.status in {403, 404, 409, 410, 422} and error.retry_after is None and scope:
                return  # a feature that is off, an empty repository, a right that the token lacks
            raise
        await self._host.pool.execute(
            "UPDATE np_github_syncs SET finished_at = $4, complete_until = $5, objects = $6, removed = $7"
            " WHERE source_account_id = $1 AND scope = $2 AND resource = $3",
            *key,
            self._host.now(),
            started,
            seen,
            removed,
        )
