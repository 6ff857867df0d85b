"""``nself build``: from settings and plugins to files, for every runtime."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hookspecs.errors import UserError
from nself_core.kept_environ import keep
from nself_core.render.plan import Planned, plan_files
from nself_core.render.record import Record
from nself_core.render.writer import Changes, apply, compare

if TYPE_CHECKING:
    from hookspecs.models.findings import Finding
    from nself_core.workspace import Workspace


@dataclass
class BuildReport:
    """What a build did, or would do."""

    changes: Changes
    planned: list[Planned] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    secrets_made: list[str] = field(default_factory=list)
    certificates_made: list[str] = field(default_factory=list)
    saved_edits: Path | None = None


def plan(workspace: Workspace) -> tuple[list[Planned], dict[str, str]]:
    """The files of every runtime on offer, and the secrets they were rendered with. Pure."""
    secrets = workspace.secret_values()
    planned: list[Planned] = []
    for offer in sorted(workspace.offers(), key=lambda o: o.name):
        stack = workspace.stack(offer.name)
        contributed = workspace.plugins.render_config(workspace.project(offer.name), stack)
        files = plan_files(contributed, stack, secrets, prefix=offer.prefix)
        both = {item.path for item in planned} & {item.path for item in files}
        if both:
            raise UserError(
                f"two runtimes render {min(both)}",
                where=offer.name,
                remedy="the runtime's plugin must offer a `prefix` of its own",
                code="file-twice",
            )
        planned += files
    return planned, dict(secrets)


def preview(workspace: Workspace) -> BuildReport:
    """What a build would do; writes nothing. Secrets that are missing show as ``<to be made>``."""
    planned, _ = plan(workspace)
    changes = compare(workspace.root, planned, Record.read(workspace.state))
    return BuildReport(changes, planned, workspace.findings)


def build(workspace: Workspace, *, force: bool = False, asked: str | None = None) -> BuildReport:
    """Make missing secrets, render, and write what changed. The caller holds the project's lock."""
    from nself_core.render.stamp import take_stamp

    workspace.require_valid()
    Record.read(workspace.state).tidy(workspace.root)
    workspace.stack(workspace.offers()[0].name)  # faults are found before the first secret is written
    made = make_secrets(workspace)
    planned, _ = plan(workspace)
    record = Record.read(workspace.state)
    changes = compare(workspace.root, planned, record)
    workspace.make_state()
    saved = apply(workspace.root, workspace.state, changes, planned, record, force=force)
    certificates = make_certificates(workspace)
    keep(workspace.state, workspace.environment.name, workspace.loaded.environ_used)
    record.stamp = take_stamp(workspace, record, asked=asked)
    record.save(workspace.state)
    return BuildReport(changes, planned, workspace.findings, made, certificates, saved)


def make_secrets(workspace: Workspace) -> list[str]:
    """Make the secrets that are missing and that only services share; returns their names."""
    wanted = workspace.loaded.to_be_made
    if wanted:
        from nself_core.settings.provision import provision

        provision(workspace.root, workspace.environment.name, wanted)
        workspace.refresh()
    return sorted(wanted)


def make_certificates(workspace: Workspace) -> list[str]:
    """Make or renew the certificates the stacks ask for, each for the hosts of every runtime; returns the names of those made."""
    hosts: dict[str, list[str]] = {}
    for offer in workspace.offers():
        for request in workspace.stack(offer.name).certificates:
            hosts.setdefault(request.name, []).extend((*request.hosts, *request.extra))
    if not hosts:
        return []
    from nself_core.certificates import ensure

    return [name for name, wanted in hosts.items() if ensure(workspace.home, workspace.state, name, wanted).made]
