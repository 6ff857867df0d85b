"""Feature flags: switches, targeting and gradual roll-outs, evaluated by the OpenFeature protocol (OFREP)."""

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
        tracks=tuple(GraphQLTable(name=f"np_feature_flags_{name}") for name in ("flags", "segments", "history")),
    )


@hookimpl
def contribute_routes(project, host):
    from nself_plugin_feature_flags.service import application

    return application(host)


@hookimpl
def register_commands(cli):
    from nself_plugin_feature_flags.commands import flags

    cli.add_command(flags)
