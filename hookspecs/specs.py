"""The hook specifications. Names and arguments are public API; each has a page in ``docs/reference/hooks.md``.

No hook is ``firstresult`` and none uses ``tryfirst`` or ``trylast``: results are sorted by declared dependencies, then by
plugin name, so that two machines give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from hookspecs import hookspec

if TYPE_CHECKING:
    import click

    from hookspecs.models.findings import Finding
    from hookspecs.models.host import Event, HostContext, Job, WebhookResult
    from hookspecs.models.migrations import Migration
    from hookspecs.models.plan import File
    from hookspecs.models.project import Project
    from hookspecs.models.routes import CertificateRequest, Route
    from hookspecs.models.runtime import Offer
    from hookspecs.models.service import Service
    from hookspecs.models.stack import Stack


@hookspec
def contribute_services(project: Project) -> Iterable[Service | Route | CertificateRequest]:  # type: ignore[empty-body]
    """Say which services and routes this plugin adds to the project.

    Called when a Stack is assembled, once per runtime; must be pure. Raise ``hookspecs.UserError`` for a setting
    that cannot be used.

    Example::

        @hookimpl
        def contribute_services(project):
            yield Service(name="hello", image=Image(ref="nginx:1.29-alpine"), ports=(Port(container=80),))
            yield Route(name="hello", host=project.host("hello"), target=ServiceTarget(service="hello"))
    """


@hookspec
def render_config(project: Project, stack: Stack) -> Iterable[File]:  # type: ignore[empty-body]
    """Return the files this plugin generates for ``project.runtime``.

    Called after the Stack stands, once per runtime rendered; must be pure. Two plugins that render one path are an error.

    Example::

        @hookimpl
        def render_config(project, stack):
            yield File(path="hello/hello.conf", content=f"upstream {stack.address('hello')};\\n")
    """


@hookspec
def pre_deploy(project: Project, target: str, stack: Stack) -> Iterable[Finding]:  # type: ignore[empty-body]
    """Check before a start (``target="local"``) or a deploy (the environment's name); an ``error`` stops it.

    May read files and look at the machine, and must change nothing.

    Example::

        @hookimpl
        def pre_deploy(project, target, stack):
            if not (project.root / "licence.key").exists():
                yield Finding(level="error", message="licence.key is missing", remedy="put it beside .env")
    """


@hookspec
def migrate_schema(project: Project) -> Iterable[Migration]:  # type: ignore[empty-body]
    """Return the plugin's schema changes, in order; the runtime applies what is new once the database answers.

    Called in assembly; must be pure. A change to an applied migration is an error at the next start.

    Example::

        @hookimpl
        def migrate_schema(project):
            yield Migration(id="001_initial", up="CREATE TABLE np_hello_greetings (id bigint PRIMARY KEY)")
    """


@hookspec
async def handle_webhook(event: Event, host: HostContext) -> WebhookResult:  # type: ignore[empty-body]
    """Handle a verified, stored webhook. Called on the addressed plugin only; a raise retries it with backoff.

    Example::

        @hookimpl
        async def handle_webhook(event, host):
            await host.pool.execute("INSERT INTO np_hello_events (id) VALUES ($1)", event.id)
            return WebhookResult(detail="stored")
    """


@hookspec
def provide_runtime(project: Project | None) -> Offer:  # type: ignore[empty-body]
    """Offer a runtime, with whether this machine can run it. ``project`` is ``None`` outside a project. Must be quick.

    Example::

        @hookimpl
        def provide_runtime(project):
            return Offer(name="podman", available=True, load="nself_plugin_podman:Podman", addressing="names")
    """


@hookspec
def register_commands(cli: click.Group) -> None:
    """Add click commands. Called only when one of the manifest's ``commands`` is asked for (or completed).

    A command that needs the project takes a ``CommandContext`` by ``@click.pass_obj``.

    Example::

        @hookimpl
        def register_commands(cli):
            @cli.command("hello")
            def hello():
                "Say hello."
                click.echo("hello")
    """


@hookspec
def contribute_routes(project: Project, host: HostContext) -> Any:
    """Return an ASGI application that the Host serves under ``/plugins/<name>/``.

    Example::

        @hookimpl
        def contribute_routes(project, host):
            from nself_plugin_hello.service import app

            return app(host)
    """


@hookspec
def contribute_jobs(project: Project, host: HostContext) -> Iterable[Job]:  # type: ignore[empty-body]
    """Return background and scheduled jobs that the Host's workers run.

    Example::

        @hookimpl
        def contribute_jobs(project, host):
            yield Job(name="tidy", run=tidy, schedule="0 3 * * *")
    """


#: The nine hooks, in the order the documentation gives them.
HOOKS = (
    "contribute_services", "render_config", "pre_deploy", "migrate_schema", "handle_webhook", "provide_runtime",
    "register_commands", "contribute_routes", "contribute_jobs",
)  # fmt: skip
