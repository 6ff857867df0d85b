"""Notify: e-mail and signed webhooks from templates, with a delivery log and preferences of each user."""

from hookspecs import hookimpl


@hookimpl
def contribute_routes(project, host):
    from nself_plugin_notify.service import application

    return application(host)


@hookimpl
def contribute_jobs(project, host):
    from nself_plugin_notify.delivery import jobs

    return jobs(host)


@hookimpl
def register_commands(cli):
    from nself_plugin_notify.commands import notify

    cli.add_command(notify)
