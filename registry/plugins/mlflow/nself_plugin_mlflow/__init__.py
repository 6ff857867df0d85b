"""MLflow: experiment tracking and a model registry, with the project's PostgreSQL as its store."""

from hookspecs import hookimpl


@hookimpl
def contribute_services(project):
    from nself_plugin_mlflow.service import contributions

    return contributions(project)


@hookimpl
def render_config(project, stack):
    from nself_plugin_mlflow.files import files

    return files(project, stack)


@hookimpl
def migrate_schema(project):
    from hookspecs import Migration
    from nself_plugin_mlflow.service import DATABASE

    # MLflow keeps its tables itself; what it needs is a database that is its own.
    if project.settings["MLFLOW_ENABLED"] and project.settings.secret("MLFLOW_BACKEND_STORE_URI") is None:
        yield Migration(id="001_database", database=DATABASE, up="SELECT 1", down="SELECT 1")


@hookimpl
def register_commands(cli):
    from nself_plugin_mlflow.commands import mlflow

    cli.add_command(mlflow)
