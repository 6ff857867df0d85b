"""GitHub: a queryable copy of organisations, code activity and CI runs, kept fresh by webhooks and made whole by syncs."""

from pathlib import Path

from hookspecs import hookimpl


@hookimpl
def migrate_schema(project):
    from hookspecs import GraphQLTable, Migration
    from nself_plugin_github.objects import ALL

    folder = Path(__file__).with_name("schema")
    shown = sorted({mirror.table for mirror in ALL} | {"np_github_webhook_events", "np_github_syncs"})
    yield Migration(
        id="001_initial",
        up=(folder / "001_initial.sql").read_text(encoding="utf-8"),
        down=(folder / "001_initial.down.sql").read_text(encoding="utf-8"),
        tracks=tuple(GraphQLTable(name=name) for name in shown),
    )


@hookimpl
def pre_deploy(project, target, stack):
    from nself_plugin_github.accounts import findings

    return findings(project)


@hookimpl
def contribute_routes(project, host):
    from nself_plugin_github.service import application

    return application(host)


@hookimpl
def contribute_jobs(project, host):
    from nself_plugin_github.sync import jobs

    return jobs(host)


@hookimpl
async def handle_webhook(event, host):
    from nself_plugin_github.events import handle

    return await handle(event, host)


@hookimpl
def register_commands(cli):
    from nself_plugin_github.commands import github

    cli.add_command(github)
