"""The GitHub accounts that are mirrored, from the settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hookspecs import Finding, HostContext, Project

#: The account of GITHUB_TOKEN.
PRIMARY = "primary"


@dataclass(frozen=True, slots=True)
class Account:
    """A name, which rows carry as ``source_account_id``, the token it is read with, and what is mirrored of it."""

    name: str
    token: str = field(repr=False)
    organization: str = ""
    repositories: tuple[str, ...] = ()


def accounts(host: HostContext) -> list[Account]:
    """Every account with a token; the primary one first."""
    settings = host.settings
    found = []
    token = (host.secret("GITHUB_TOKEN") or "").strip()
    if token:
        found.append(Account(PRIMARY, token, settings["GITHUB_ORG"] or "", tuple(settings["GITHUB_REPOS"] or ())))
    labels = list(settings["GITHUB_ACCOUNT_LABELS"] or ())
    more = [key.strip() for key in (host.secret("GITHUB_API_KEYS") or "").split(",") if key.strip()]
    for label, key in zip(labels, more, strict=False):
        found.append(Account(label.lower(), key, label))
    return found


def findings(project: Project) -> Iterator[Finding]:
    """What is missing before the copy can work."""
    from hookspecs import Finding, Level

    settings = project.settings
    if settings.secret("GITHUB_TOKEN") is None and settings.secret("GITHUB_API_KEYS") is None:
        yield Finding(
            level=Level.WARNING,
            message="the github plugin has no token, so nothing is mirrored",
            variable="GITHUB_TOKEN",
            remedy="nself config set GITHUB_TOKEN (a token that may read is enough)",
            code="github-no-token",
        )
    for repository in settings["GITHUB_REPOS"] or ():
        if repository.count("/") != 1 or repository.startswith("/") or repository.endswith("/"):
            yield Finding(
                level=Level.ERROR,
                message=f"{repository!r} is no repository",
                variable="GITHUB_REPOS",
                where=str(settings.origin("GITHUB_REPOS") or ""),
                remedy="write owner/name, comma separated",
                code="github-repository",
            )
    if settings.secret("GITHUB_WEBHOOK_SECRET") is None:
        yield Finding(
            level=Level.NOTE,
            message="the github plugin has no webhook secret, so it takes no events between syncs",
            variable="GITHUB_WEBHOOK_SECRET",
            remedy="add the webhook at GitHub with a secret, then nself config set GITHUB_WEBHOOK_SECRET",
            code="github-no-webhook-secret",
        )
