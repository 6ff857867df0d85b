"""Jobs: a background queue for applications, in PostgreSQL."""

from hookspecs import hookimpl


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
