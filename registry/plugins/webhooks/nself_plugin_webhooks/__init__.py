"""Webhooks: an application's own events, delivered to endpoints outside, signed and retried."""

from hookspecs import hookimpl


@hookimpl
def contribute_routes(project, host):
    from nself_plugin_webhooks.service import application

    return application(host)


@hookimpl
def contribute_jobs(project, host):
    from nself_plugin_webhooks.delivering import jobs

    return jobs(host)


@hookimpl
def register_commands(cli):
    from nself_plugin_webhooks.commands import webhooks

    cli.add_command(webhooks)
