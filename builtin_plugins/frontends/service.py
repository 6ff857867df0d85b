"""Routes of the frontends, by what the environment does with them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hookspecs import (
    ExternalTarget,
    FilesTarget,
    HostTarget,
    HttpProbe,
    Image,
    Limits,
    Port,
    Project,
    Route,
    Service,
    ServiceTarget,
    UserError,
)

_SLOT = "FRONTEND_APP_{N}_"


def slots(project: Project) -> list[int]:
    """The numbers of the frontends that have a name, ascending; gaps are allowed and there is no upper bound."""
    settings = project.settings
    named = {slot for part in ("NAME", "SYSTEM_NAME", "DISPLAY_NAME") for slot in settings.slots(_SLOT + part)}
    return sorted(slot for slot in named if label(project, slot))


def label(project: Project, slot: int) -> str:
    """A frontend's name as a DNS label, empty where none is given."""
    settings = project.settings
    given = next((v for part in ("NAME", "SYSTEM_NAME", "DISPLAY_NAME") if (v := settings[f"FRONTEND_APP_{slot}_{part}"])), "")
    return re.sub(r"[^a-z0-9]+", "-", str(given).lower()).strip("-")[:50]


def host(project: Project, slot: int) -> str:
    """Its host name: the route of this environment, else its route, else its name."""
    settings, environment = project.settings, project.environment
    for scope in dict.fromkeys((environment.name.upper(), environment.cls.upper())):
        route = settings.get(f"FRONTEND_APP_{slot}_{scope}_ROUTE")
        if route:
            return project.host(str(route))
    return project.host(settings[f"FRONTEND_APP_{slot}_ROUTE"] or label(project, slot))


def served(project: Project, slot: int) -> bool:
    """Whether staging has something to serve: built files or an image."""
    return bool(project.settings[f"FRONTEND_APP_{slot}_DIR"] or project.settings[f"FRONTEND_APP_{slot}_IMAGE"])


def contributions(project: Project) -> Iterator[Service | Route]:
    """Every frontend: its dev server in dev, files or an image in staging, an address in prod."""
    seen: dict[str, int] = {}
    for slot in slots(project):
        name = label(project, slot)
        if name in seen:
            raise UserError(
                f"FRONTEND_APP_{seen[name]} and FRONTEND_APP_{slot} have the same name {name!r}",
                where=str(project.settings.origin(f"FRONTEND_APP_{slot}_NAME") or ""),
                remedy="give one of them another name",
                code="frontend-twice",
            )
        seen[name] = slot
        if project.environment.is_dev:
            yield from _dev(project, slot, name)
        elif project.environment.is_prod:
            url = project.settings[f"FRONTEND_APP_{slot}_URL"] or f"https://{host(project, slot)}"
            yield _route(project, slot, name, ExternalTarget(url=url))
        else:
            yield from _staging(project, slot, name)


def _route(project: Project, slot: int, name: str, target: ServiceTarget | HostTarget | FilesTarget | ExternalTarget) -> Route:
    return Route(
        name=f"frontend-{name}",
        host=host(project, slot),
        target=target,
        websocket=target.kind in {"host", "service"},
        rate_zone="static",
        frontend=slot,
        label=project.settings[f"FRONTEND_APP_{slot}_DISPLAY_NAME"] or name,
    )


def _dev(project: Project, slot: int, name: str) -> Iterator[Route]:
    settings = project.settings
    prefix = f"FRONTEND_APP_{slot}_"
    yield _route(project, slot, name, HostTarget(port=settings[prefix + "PORT"] or 2999 + slot))
    if any(settings[prefix + part] for part in ("API_ROUTE", "API_PORT", "REMOTE_SCHEMA_NAME")):
        yield Route(
            name=f"frontend-{name}-api",
            host=project.host(settings[prefix + "API_ROUTE"] or f"api.{name}.{project.domain}"),
            target=HostTarget(port=settings[prefix + "API_PORT"] or 4000 + slot),
            websocket=True,
            label=f"{name} API",
        )


def _staging(project: Project, slot: int, name: str) -> Iterator[Service | Route]:
    settings = project.settings
    prefix = f"FRONTEND_APP_{slot}_"
    directory, image = settings[prefix + "DIR"], settings[prefix + "IMAGE"]
    if directory:
        yield _route(project, slot, name, FilesTarget(directory=directory))
    elif image:
        service = f"frontend-{name}"
        origin = settings.because(prefix + "IMAGE")
        yield Service(
            name=service,
            category="custom",
            summary=f"Frontend {name}",
            image=Image(ref=image),
            no_native=f"{prefix}IMAGE is a container image; {prefix}DIR serves built files without one",
            ports=(Port(container=settings[prefix + "IMAGE_PORT"] or 3000),),
            probe=HttpProbe(path="/", tool="outside"),
            limits=Limits(memory=512 << 20),
            provenance={"image": origin} if origin else {},
        )
        yield _route(project, slot, name, ServiceTarget(service=service))
