"""``nself build``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from nself_core.cli import output
from nself_core.cli.options import env_option

if TYPE_CHECKING:
    from nself_core.build import BuildReport
    from nself_core.workspace import Workspace


@click.command(short_help="Generate every configuration file from .env.")
@env_option
@click.option("--dry-run", is_flag=True, help="Say what would be written, and write nothing.")
@click.option("--diff", "show_diff", is_flag=True, help="Show every change as a diff, secrets masked; writes nothing.")
@click.option("--check", is_flag=True, help="For CI: exit 1 if the generated files are not up to date; writes nothing.")
@click.option("--strict", is_flag=True, help="Warnings count as errors: unknown variables, weak secrets.")
@click.option("--force", is_flag=True, help="Overwrite edited files after saving a copy, and do not skip an unchanged build.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(*, env: str | None, dry_run: bool, show_diff: bool, check: bool, strict: bool, force: bool, as_json: bool) -> None:
    """Generate every configuration file of this project from its .env files.

    Nothing is started and no Docker is needed. Only files that changed are written; a generated file that you edited
    is reported and never overwritten without --force, which saves your version first.

    \b
    Examples:
      nself build                     build the environment in force
      nself build --env prod --diff   what prod would get, secrets masked
      nself build --check             in CI: fails when someone forgot to build
    """
    looks_only = dry_run or show_diff or check
    if not (looks_only or strict or force) and _nothing_to_do(env, as_json=as_json):
        return
    from nself_core.stack.assemble import raise_errors
    from nself_core.workspace import Workspace

    workspace = Workspace.open(env, kept=False)
    if strict:
        raise_errors(workspace.loaded.strict())
    if looks_only:
        _look(workspace, show_diff=show_diff, check=check, as_json=as_json)
        return
    with workspace.lock("build"):
        report = workspace.build(force=force, asked=env)
    _tell(workspace, report, as_json=as_json)


def _nothing_to_do(env: str | None, *, as_json: bool) -> bool:
    from nself_core import paths
    from nself_core.plugins import fingerprint
    from nself_core.render.record import Record
    from nself_core.render.stamp import unchanged

    root = paths.find_root()
    if root is None:
        return False
    record = Record.read(root / ".nself")
    if not record.stamp or record.pending or record.staged:
        return False
    if not unchanged(root, record.stamp, asked=env, fingerprint=fingerprint(paths.home(), root), environ=os.environ):
        return False
    if as_json:
        output.print_json({"changed": False, "files": len(record.files)})
    else:
        output.say(f"Up to date: {len(record.files)} generated files, none changed.")
    return True


def _look(workspace: Workspace, *, show_diff: bool, check: bool, as_json: bool) -> None:
    from nself_core.build import preview
    from nself_core.render.writer import diff

    report = preview(workspace)
    if as_json:
        output.print_json(_document(workspace, report))
    else:
        output.print_findings(report.findings)
        if show_diff:
            click.echo(diff(workspace.root, report.changes), nl=False)
        else:
            _list(report, "would be ")
    if check and (report.changes.any or report.changes.edited):
        from hookspecs.errors import UserError

        raise UserError(
            "the generated files are not up to date", remedy="run nself build and commit what it changes", code="stale"
        )


def _list(report: BuildReport, tense: str) -> None:
    for word, names in (
        ("created", [i.path for i in report.changes.create]),
        ("updated", [i.path for i in report.changes.update]),
        ("given other permissions", [i.path for i in report.changes.mode]),
        ("deleted", report.changes.delete),
    ):
        for name in sorted(names):
            output.say(f"{tense}{word}: {name}")
    for name in report.changes.edited:
        output.say(f"edited by hand: {name}")


def _tell(workspace: Workspace, report: BuildReport, *, as_json: bool) -> None:
    if as_json:
        output.print_json(_document(workspace, report))
        return
    output.print_findings(report.findings)
    changes = report.changes
    environment = workspace.environment
    services = {s.name for offer in workspace.offers() for s in workspace.stack(offer.name).services if not s.one_shot}
    output.say(f"Built {workspace.loaded.project_name} for {environment.name}: {len(services)} services.")
    output.say(
        f"{len(changes.create)} files created, {len(changes.update)} updated, {len(changes.delete)} deleted, "
        f"{len(changes.kept)} unchanged."
    )
    if report.secrets_made:
        output.say(f"Made secrets: {', '.join(report.secrets_made)}.")
    if report.certificates_made:
        output.say(f"Made certificates: {', '.join(report.certificates_made)}.")
    if report.saved_edits:
        output.say(f"Your edited files are saved in {report.saved_edits.relative_to(workspace.root)}.")
    output.next_step("nself start" if environment.is_dev else f"nself start --env {environment.name}, on its server")


def _document(workspace: Workspace, report: BuildReport) -> dict[str, Any]:
    changes = report.changes
    return {
        "project": workspace.loaded.project_name,
        "environment": workspace.environment.name,
        "changed": changes.any,
        "created": sorted(i.path for i in changes.create),
        "updated": sorted(i.path for i in changes.update),
        "deleted": changes.delete,
        "edited": changes.edited,
        "unchanged": len(changes.kept),
        "secrets_made": report.secrets_made,
        "certificates_made": report.certificates_made,
        "findings": [f.model_dump(mode="json") for f in report.findings],
    }
