"""Jobs: a background queue for applications, in PostgreSQL."""

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
        tracks=tuple(GraphQLTable(name=f"np_jobs_{name}") for name in ("jobs", "queues", "schedules")),
    )


@hookimpl
def contribute_routes(project, host):
    from nself_plugin_jobs.service import application

    return application(host)


@hookimpl
def contribute_jobs(project, host):
    from nself_plugin_jobs.upkeep import jobs

    return jobs(host)


@hookimpl
def register_commands(cli):
    from nself_plugin_jobs.commands import jobs

    cli.add_command(jobs)
