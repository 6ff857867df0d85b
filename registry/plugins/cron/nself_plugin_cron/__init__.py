"""Cron: named schedules that call an HTTP endpoint, with the history of their runs."""

from hookspecs import hookimpl


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
