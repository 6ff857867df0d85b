"""``nself hasura``: the engine alone, and the project's metadata."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hookspecs.terminal import env_option, json_option, print_json, require_yes, yes_option

if TYPE_CHECKING:
    from hookspecs import CommandContext

_dir_option = click.option(
    "--dir", "folder", metavar="FOLDER", type=click.Path(path_type=Path, file_okay=False),
    help="The metadata folder, by default metadata in HASURA_PROJECT_DIR, which is hasura.",
)  # fmt: skip


@click.group(short_help="GraphQL metadata, and the GraphQL engine alone.")
def hasura() -> None:
    """GraphQL metadata, and the GraphQL engine alone.

    \b
    Examples:
      nself hasura metadata export
      nself hasura serve
    """


@hasura.command()
@click.pass_context
def serve(ctx: click.Context) -> None:
    """Run the GraphQL engine in the foreground, configured by HASURA_GRAPHQL_* variables alone.

    No project is needed. It stops on a signal.

    \b
    Examples:
      HASURA_GRAPHQL_DATABASE_URL=… HASURA_GRAPHQL_ADMIN_SECRET=… nself hasura serve
    """
    from .metadata_service import require_engine

    require_engine()
    from .engine.__main__ import serve as run

    ctx.exit(run())


@hasura.group(short_help="Move metadata between the running service and a folder.")
def metadata() -> None:
    """Move metadata between the running service and a folder of YAML files, laid out as the Hasura command line does (v3).

    \b
    Examples:
      nself hasura metadata export
      nself hasura metadata apply --env staging
    """


@metadata.command()
@_dir_option
@env_option
@click.pass_obj
def export(context: CommandContext, folder: Path | None, env: str | None) -> None:
    """Write the service's metadata into the folder. Files of the folder that no longer belong there go.

    \b
    Examples:
      nself hasura metadata export --dir hasura/metadata
    """
    from .metadata_service import MetadataService, folders

    target = _folder(context, folder, env)
    changed = folders().export(MetadataService.of(context, env).export(), target)
    click.echo(f"{len(changed)} files changed in {target}")


@metadata.command()
@_dir_option
@env_option
@json_option
@click.pass_obj
def diff(context: CommandContext, folder: Path | None, env: str | None, as_json: bool) -> None:
    """Tell how the service differs from the folder: - is in the folder alone, + in the service. Exit code 1 where they differ.

    \b
    Examples:
      nself hasura metadata diff
    """
    from .metadata_service import MetadataService, difference

    found = difference(MetadataService.of(context, env).export(), _folder(context, folder, env))
    if as_json:
        print_json({"differs": bool(found), "diff": found})
    else:
        click.echo(found, nl=False)
    if found:
        raise click.exceptions.Exit(1)


@metadata.command()
@_dir_option
@yes_option
@env_option
@json_option
@click.pass_obj
def apply(context: CommandContext, folder: Path | None, yes: bool, env: str | None, as_json: bool) -> None:
    """Put the folder's metadata in force in place of the service's. What of it cannot be used is told, with exit code 1.

    \b
    Examples:
      nself hasura metadata apply --yes
    """
    from .metadata_service import MetadataService, difference, read

    service = MetadataService.of(context, env)
    source = _folder(context, folder, env)
    wanted = read(source)
    changed = bool(difference(service.export(), source))
    if changed:
        require_yes(f"Replace the metadata of the GraphQL service by {source}?", yes=yes)
    inconsistent = service.replace(wanted) if changed else service.inconsistent()
    if as_json:
        print_json({"changed": changed, "inconsistent": inconsistent})
    else:
        click.echo(f"the metadata of {source} is in force" if changed else "nothing to change")
        for item in inconsistent:
            click.echo(f"inconsistent: {item.get('name') or item.get('type')}: {item.get('reason')}", err=True)
    if inconsistent:
        raise click.exceptions.Exit(1)


def _folder(context: CommandContext, given: Path | None, env: str | None) -> Path:
    if given is not None:
        return given
    project = context.project(env)
    return project.root / str(project.settings["HASURA_PROJECT_DIR"]) / "metadata"
