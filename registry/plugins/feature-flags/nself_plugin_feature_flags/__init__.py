"""Feature flags: switches, targeting and gradual roll-outs, evaluated by the OpenFeature protocol (OFREP)."""

from hookspecs import hookimpl


@hookimpl
def contribute_routes(project, host):
    from nself_plugin_feature_flags.service import application

    return application(host)


@hookimpl
def register_commands(cli):
    from nself_plugin_feature_flags.commands import flags

    cli.add_command(flags)
