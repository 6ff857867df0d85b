"""Notify: e-mail and signed webhooks from templates, with a delivery log and preferences of each user."""

from pathlib import Path

from hookspecs import hookimpl

_OWN = {"user_id": {"_eq": "X-Hasura-User-Id"}}
#: What a user sees of their own notifications: neither the data that made them nor errors of mail servers.
_SEEN = ("id", "channel", "category", "subject", "text", "html", "status", "created_at", "sent_at")


@hookimpl
def migrate_schema(project):
    from hookspecs import GraphQLTable, Migration, SelectPermission

    folder = Path(__file__).with_name("schema")
    own = SelectPermission(role="user", columns=_SEEN, filter=_OWN, allow_aggregations=True)
    wishes = SelectPermission(role="user", columns=("category", "channel", "enabled", "updated_at"), filter=_OWN)
    yield Migration(
        id="001_initial",
        up=(folder / "001_initial.sql").read_text(encoding="utf-8"),
        down=(folder / "001_initial.down.sql").read_text(encoding="utf-8"),
        tracks=(
            GraphQLTable(name="np_notify_notifications", select=(own,)),
            GraphQLTable(name="np_notify_preferences", select=(wishes,)),
            GraphQLTable(name="np_notify_templates"),
            GraphQLTable(name="np_notify_attempts"),
        ),
    )


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
