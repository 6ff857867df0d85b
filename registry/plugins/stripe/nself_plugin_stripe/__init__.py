"""Stripe: a queryable mirror of billing objects, kept fresh by webhooks and made whole by syncs."""

from hookspecs import hookimpl


@hookimpl
def pre_deploy(project, target, stack):
    from nself_plugin_stripe.accounts import findings

    return findings(project)


@hookimpl
def contribute_routes(project, host):
    from nself_plugin_stripe.service import application

    return application(host)


@hookimpl
def contribute_jobs(project, host):
    from nself_plugin_stripe.sync import jobs

    return jobs(host)


@hookimpl
async def handle_webhook(event, host):
    from nself_plugin_stripe.events import handle

    return await handle(event, host)


@hookimpl
def register_commands(cli):
    from nself_plugin_stripe.commands import stripe

    cli.add_command(stripe)
