"""The database browser's service and route."""

from __future__ import annotations

from collections.abc import Iterator

from hookspecs import Get, HttpProbe, Image, Limits, Link, Need, Port, Project, Route, Security, Service, ServiceTarget

NAME = "adminer"


def contributions(project: Project) -> Iterator[Service | Route]:
    """The database browser, where it is asked for; a development tool, so never in prod."""
    settings = project.settings
    if not settings["ADMINER_ENABLED"] or project.environment.is_prod:
        return
    origin = settings.because("ADMINER_VERSION")
    yield Service(
        name=NAME,
        category="tool",
        summary="Database browser",
        image=Image(ref=f"adminer:{settings['ADMINER_VERSION']}"),
        no_native="it is a PHP program, and nself brings no PHP",
        env={"ADMINER_DEFAULT_SERVER": Get(capability="sql", attribute="host")},
        ports=(Port.of(settings, "ADMINER_PORT", 8080),),
        needs=(Need(capability="sql"),),
        probe=HttpProbe(path="/"),
        limits=Limits(memory=256 << 20),
        security=Security(read_only=True, tmpfs=("/tmp",)),  # noqa: S108  inside the container
        links=(Link(label="Database browser", dev_only=True),),
        provenance={"image": origin} if origin else {},
    )
    yield Route(
        name=NAME,
        host=project.host(settings["ADMINER_ROUTE"]),
        target=ServiceTarget(service=NAME),
        internal=True,
        label="Database browser",
    )
