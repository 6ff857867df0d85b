"""GitHub: a queryable copy of organisations, code activity and CI runs, kept fresh by webhooks and made whole by syncs."""

from hookspecs import hookimpl


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
