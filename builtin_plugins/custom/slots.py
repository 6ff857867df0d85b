"""Every ``CS_N`` of a project, read with its companions into one typed thing. All faults are told at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from builtin_plugins.custom import companions
from builtin_plugins.custom.catalogue import TEMPLATES, Template, find, is_path, unknown
from builtin_plugins.custom.faults import Faults
from builtin_plugins.custom.folders import Source, source_of
from builtin_plugins.custom.grammar import FIRST_PORT, SHAPE, check_route, dns_label, parse
from builtin_plugins.custom.variables import given_variables

if TYPE_CHECKING:
    from hookspecs.models.project import Project
    from hookspecs.models.service import ExecProbe, HttpProbe, Mount, Need
    from hookspecs.models.values import Value

#: Names of ours beside those of the built-in plugins.
_RESERVED = {"nself", "nself-admin", "localhost", "host"}
#: Environments whose longer spelling also counts in ``CS_N_<ENV>_ROUTE``.
_LONGER = {"dev": "DEVELOPMENT", "prod": "PRODUCTION"}


class Slot(NamedTuple):
    """One custom service as the user asked for it. ``name`` is the spelling of the user, ``label`` the service's name."""

    number: int
    name: str
    template: Template
    source: Source
    port: int
    port_variable: str
    port_given: bool
    route: str | None
    probe: HttpProbe | ExecProbe | None
    given: Mapping[str, Value] = {}
    """Variables from ``ENV_PASSTHROUGH``, ``ENV_FILE`` and ``ENV``, a later one winning."""
    mounts: tuple[Mount, ...] = ()
    needs: tuple[Need, ...] = ()

    @property
    def label(self) -> str:
        return dns_label(self.name)

    def variable(self, suffix: str = "") -> str:
        """``CS_3`` or a companion's name, ``CS_3_PORT``."""
        return f"CS_{self.number}_{suffix}" if suffix else f"CS_{self.number}"


def read_slots(project: Project) -> list[Slot]:
    """The custom services of a project in the order of their numbers; one ``UserError`` holds every fault."""
    faults = Faults(project.settings)
    slots = [slot for number in project.settings.slots("CS_{N}") if (slot := _read(project, number, faults)) is not None]
    _check_names(slots, reserved_names(project.plugins), faults)
    _check_ports(slots, faults)
    faults.raise_all()
    return slots


def reserved_names(plugins: Iterable[str]) -> set[str]:
    """Names that a custom service may not take: those of the built-in plugins, and a few of ours."""
    return _RESERVED | {name.removeprefix("core-") for name in plugins if name.startswith("core-")}


def _read(project: Project, number: int, faults: Faults) -> Slot | None:
    """One slot; its faults go to ``faults``, and it is ``None`` where too little of it could be understood."""
    settings = project.settings
    main = f"CS_{number}"
    text = str(settings[main] or "").strip()
    if not text:
        return None  # an empty value switches a slot off, as it does for every setting
    short = parse(text)
    faults.extend(main, short.faults)
    template = find(short.template) if short.template else None
    if short.template and template is None:
        faults.add(main, *unknown(short.template), code="template-unknown")
    port, variable = short.port, main
    if settings.is_provided(f"{main}_PORT") and settings[f"{main}_PORT"] is not None:
        port, variable = int(settings[f"{main}_PORT"]) or None, f"{main}_PORT"
    known = template or TEMPLATES["custom"]
    source = source_of(project, number, short.name, short.template if is_path(short.template) else "", faults)
    probe = _checked(
        faults, f"{main}_HEALTHCHECK", companions.probe, settings, "/health", known.tool if source.own_image else "outside"
    )
    mounts = _checked(faults, f"{main}_VOLUMES", companions.mounts, settings, "")
    needs = _checked(faults, f"{main}_DEPENDS_ON", companions.needs, settings, "")
    given = given_variables(project, number, faults)
    route = _route(project, number, short.route, short.name, faults)
    if template is None or not short.name:
        return None
    return Slot(
        number=number,
        name=short.name,
        template=template,
        source=source,
        port=port or FIRST_PORT + number,
        port_variable=variable,
        port_given=port is not None,
        route=route,
        probe=probe,
        given=given,
        mounts=tuple(mounts),
        needs=tuple(needs),
    )


def _checked(faults: Faults, variable: str, read: Any, settings: Any, default: str, *more: Any) -> Any:
    """Read a companion's text with one of the readers of ``companions`` and report its faults."""
    raw = settings.get(variable, default)
    text = ",".join(str(part) for part in raw) if isinstance(raw, list | tuple) else str(raw)
    made, found = read(text, *more)
    faults.extend(variable, found)
    return made


def _route(project: Project, number: int, short: str | None, name: str, faults: Faults) -> str | None:
    """The public route in force: the environment's own, else the general one, else the short form's, unless switched off."""
    settings = project.settings
    environment = project.environment.name
    spellings = [environment.upper().replace("-", "_"), *([_LONGER[environment]] if environment in _LONGER else [])]
    names = [*(f"CS_{number}_{spelling}_ROUTE" for spelling in spellings), f"CS_{number}_ROUTE"]
    found = next(((n, str(settings.get(n))) for n in names if settings.get(n)), None)
    if found:
        faults.extend(found[0], check_route(found[1]))
    route = found[1] if found else short
    public = settings.get(f"CS_{number}_PUBLIC")
    if public is False:
        return None
    return route or (dns_label(name) if public else None)


def _check_names(slots: list[Slot], reserved: set[str], faults: Faults) -> None:
    seen: dict[str, Slot] = {}
    for slot in slots:
        if slot.label in reserved:
            message = f"{slot.name!r} is the name of a built-in service"
            faults.add(slot.variable(), message, f"choose another, for example my-{slot.label}", code="name-reserved")
        elif slot.label in seen:
            first = seen[slot.label]
            twin = f" ({slot.name!r} and {first.name!r} are one host name)" if slot.name != first.name else ""
            message = f"the name {slot.name!r} is taken by {first.variable()}{twin}"
            faults.add(slot.variable(), message, f"rename one of them; the form is {SHAPE}", code="name-twice")
        seen.setdefault(slot.label, slot)


def _check_ports(slots: list[Slot], faults: Faults) -> None:
    """Two services that ask for one port are an error; a default that meets another one just moves on the host."""
    seen: dict[int, Slot] = {}
    for slot in slots:
        if not slot.port_given:
            continue
        if slot.port in seen:
            first = seen[slot.port]
            message = f"port {slot.port} is taken by {first.port_variable} ({first.name})"
            faults.add(
                slot.port_variable, message, "give one of the two another port, or none for its default", code="port-twice"
            )
        seen.setdefault(slot.port, slot)
