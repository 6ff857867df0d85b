"""Stripe: a queryable mirror of billing objects, kept fresh by webhooks and made whole by syncs."""

from pathlib import Path

from hookspecs import hookimpl


@hookimpl
def migrate_schema(project):
    from hookspecs import GraphQLTable, Migration
    from nself_plugin_stripe.objects import MIRRORS

    folder = Path(__file__).with_name("schema")
    shown = sorted({mirror.table for mirror in MIRRORS.values()} | {"np_stripe_webhook_events", "np_stripe_syncs"})
    yield Migration(
        id="001_initial",
        up=(folder / "001_initial.sql").read_text(encoding="utf-8"),
        down=(folder / "001_initial.down.sql").read_text(encoding="utf-8"),
        tracks=tuple(GraphQLTable(name=name) for name in shown),
    )


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
