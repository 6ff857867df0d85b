"""Cron: named schedules that call an HTTP endpoint, with the history of their runs."""

from pathlib import Path

from hookspecs import hookimpl


@hookimpl
def migrate_schema(project):
    from hookspecs import GraphQLTable, Migration

    folder = Path(__file__).with_name("schema")
    yield Migration(
        id="001_initial",
        up=(folder / "001_initial.sql").read_text(encoding="utf-8"),
        down=(folder / "001_initial.down.sql").read_text(encoding="utf-8"),
        tracks=(GraphQLTable(name="np_cron_jobs"), GraphQLTable(name="np_cron_runs")),
    )


@hookimpl
def contribute_routes(project, host):
    from nself_plugin_cron.service import application

    return application(host)


@hookimpl
def contribute_jobs(project, host):
    from nself_plugin_cron.running import jobs

    return jobs(host)


@hookimpl
def register_commands(cli):
    from nself_plugin_cron.commands import cron

    cli.add_command(cron)
