"""From a slot to the Service and Route that every runtime runs."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from builtin_plugins.custom.native import native_form
from builtin_plugins.custom.variables import fixed_variables, private_names

if TYPE_CHECKING:
    from builtin_plugins.custom.slots import Slot
    from hookspecs.models.project import Project
    from hookspecs.models.routes import Route
    from hookspecs.models.service import Mount, Need, Security, Service
    from hookspecs.models.settings import Origin

#: Folders of the container that the dev mount of the source must not cover: what the image installed or built.
_KEPT = {"node": ("/app/node_modules", "/app/dist"), "python": ("/app/.venv", "/app/__pycache__")}


def service(project: Project, slot: Slot) -> Service:
    """The service of one slot."""
    from hookspecs.models.service import Build, Image, Limits, Port, Service

    settings, source = project.settings, slot.source
    native, no_native = native_form(project, slot)
    command = settings.get(slot.variable("COMMAND"))
    policy = settings.get(slot.variable("RESTART_POLICY"), "unless-stopped")
    return Service(
        name=slot.label,
        category="custom",
        summary=slot.template.summary,
        aliases=() if slot.name == slot.label else (slot.name,),
        image=Image(ref=source.image) if source.image else None,
        build=None
        if source.image
        else Build(context=source.context, dockerfile=source.dockerfile, target=_target(project, slot)),
        native=native,
        no_native=no_native,
        command=tuple(shlex.split(str(command))) if command else None,
        env={**fixed_variables(project, slot), **slot.given},
        private=private_names(project, slot.number, slot.given),
        ports=(
            Port(
                name="http",
                protocol="grpc" if slot.template.grpc else "http",
                container=slot.port,
                host=slot.port,
                explicit=slot.port_given,
                variable=slot.port_variable,
            ),
        ),
        needs=_needs(slot),
        probe=slot.probe,
        mounts=(*_dev_mounts(project, slot), *slot.mounts),
        replicas=settings.get(slot.variable("REPLICAS"), 1),
        limits=Limits(memory=settings.get(slot.variable("MEMORY")), cpus=settings.get(slot.variable("CPU"))),
        security=_security(slot),
        restart="unless-stopped" if policy == "always" else policy,
        provenance=_provenance(project, slot),
    )


def route(project: Project, slot: Slot) -> Route | None:
    """The public route of one slot, if it has one."""
    from hookspecs.models.routes import Route, ServiceTarget

    if slot.route is None:
        return None
    limit = project.settings.get(slot.variable("RATE_LIMIT"))
    return Route(
        name=f"custom-{slot.label}",
        host=project.host(slot.route),
        target=ServiceTarget(service=slot.label),
        websocket=bool(project.settings.get(slot.variable("WEBSOCKET"))),
        rate_limit=limit,
        label=slot.name,
    )


def _target(project: Project, slot: Slot) -> str | None:
    """The stage to build: the user's, else ``dev`` in dev where the Dockerfile has such a stage."""
    if slot.source.target:
        return slot.source.target
    has_dev = slot.source.own_image and slot.template.interpreted and "dev" in slot.source.stages
    return "dev" if project.environment.is_dev and has_dev else None


def _dev_mounts(project: Project, slot: Slot) -> list[Mount]:
    """In dev the source of an interpreted stack is mounted, so that an edit counts at once; dependencies stay the image's."""
    from hookspecs.models.service import Mount

    if not (project.environment.is_dev and slot.template.interpreted and slot.source.own_image):
        return []
    kept = [Mount(kind="anonymous", target=target) for target in _KEPT[slot.template.kind]]
    return [Mount(kind="bind", source=slot.source.context, target="/app"), *kept]


def _security(slot: Slot) -> Security:
    """Our templates write to ``/tmp`` alone and name a user of their own; what somebody else made may do as it was made to."""
    from hookspecs.models.service import Security

    if slot.source.own_image and slot.template.name != "custom":
        return Security(read_only=True, tmpfs=("/tmp",))  # noqa: S108  inside the container
    theirs = "the image is the user's own"
    return Security(reasons={"user": theirs, "read_only": theirs})


def _needs(slot: Slot) -> tuple[Need, ...]:
    """What is enabled of the usual three, before the slot's own; a queue worker cannot do without a cache."""
    from hookspecs.models.service import Need

    return (
        Need(capability="sql", required=False),
        Need(capability="cache", required=slot.template.wants_cache),
        Need(capability="graphql", required=False),
        *slot.needs,
    )


def _provenance(project: Project, slot: Slot) -> dict[str, Origin]:
    """The variable, file and line behind each field that a setting decided."""
    fields: dict[str, Any] = {
        "name": "", "build": "PATH" if slot.source.elsewhere else "", "image": "IMAGE", "env": "ENV", "probe": "HEALTHCHECK",
        "replicas": "REPLICAS", "command": "COMMAND", "mounts": "VOLUMES", "needs": "DEPENDS_ON", "restart": "RESTART_POLICY",
        "limits": "MEMORY",
    }  # fmt: skip
    found = {name: project.settings.because(slot.variable(suffix)) for name, suffix in fields.items()}
    found["ports"] = project.settings.because(slot.port_variable)
    if found["limits"] is None:
        found["limits"] = project.settings.because(slot.variable("CPU"))
    return {name: origin for name, origin in found.items() if origin is not None}
