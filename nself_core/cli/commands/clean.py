"""``nself clean``."""

from __future__ import annotations

from pathlib import Path

import click

from nself_core.cli import output
from nself_core.cli.options import env_option

#: Folders of the state folder that hold nothing but what a command can make again.
_SCRATCH = ("edited", "tmp", "cache")


@click.command()
@env_option
@click.option("--dry-run", is_flag=True, help="List what would go, and remove nothing.")
def command(*, env: str | None, dry_run: bool) -> None:
    """Remove what `nself build` can make again: generated files, saved copies of edited ones. Data, secrets and settings stay.

    A generated file that you edited since is left alone and named. Refused while services run from these files.

    \b
    Examples:
      nself clean --dry-run
      nself clean
    """
    from hookspecs.errors import UserError
    from nself_core.render.record import Record, digest_of
    from nself_core.workspace import Workspace

    workspace = Workspace.open(env)
    with workspace.lock("clean"):
        recorded = workspace.recorded_runtime()
        if recorded is not None and workspace.offer(recorded).available and not dry_run:
            running = [s.name for s in workspace.runtime(recorded).states() if s.status in {"running", "starting"}]
            if running:
                raise UserError(f"{', '.join(running)} run from these files", remedy="nself stop", code="running")
        record = Record.read(workspace.state)
        paths = sorted(set(record.files) | set(record.pending))
        mine = [p for p in paths if (digest := digest_of(workspace.root / p)) is not None and record.ours(p, digest)]
        edited = [p for p in paths if p not in mine and digest_of(workspace.root / p) is not None]
        if not dry_run:
            record.tidy(workspace.root)
            for path in mine:
                (workspace.root / path).unlink(missing_ok=True)
                _prune(workspace.root, (workspace.root / path).parent)
            _remove_scratch(workspace.state)
            for name in ("build.json", "build.pending.json"):
                (workspace.state / name).unlink(missing_ok=True)
    for path in mine:
        output.say(f"{'would remove' if dry_run else 'removed'}: {path}")
    for path in edited:
        output.say(f"left alone, as you edited it: {path}")
    if not mine:
        output.say("Nothing to clean.")
    elif not dry_run:
        output.next_step("nself build")


def _remove_scratch(state: Path) -> None:
    import shutil

    for name in _SCRATCH:
        if (state / name).is_dir():
            shutil.rmtree(state / name)


def _prune(root: Path, folder: Path) -> None:
    while folder != root and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
