"""Where a value of the Stack comes from."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hookspecs.errors import UserError

if TYPE_CHECKING:
    from hookspecs.models.service import Service
    from hookspecs.models.settings import Settings
    from nself_core.stack.assemble import Assembly


def explain(assembly: Assembly, path: str, settings: Settings) -> list[dict[str, Any]]:
    """Rows of field, value, plugin, hook and the setting that decided (with its file and line, or ``None``).

    ``path`` is ``services.<name>[.<field>]`` or ``routes.<name>``.
    """
    kind, _, rest = path.partition(".")
    if kind == "services" and rest:
        name, _, field = rest.partition(".")
        service = assembly.stack.find(name)
        if service is None:
            raise _unknown("service", name, [s.name for s in assembly.stack.services])
        return _service(assembly, service, field, settings)
    if kind == "routes" and rest:
        route = next((r for r in assembly.stack.routes if r.name == rest), None)
        if route is None:
            raise _unknown("route", rest, [r.name for r in assembly.stack.routes])
        owner = assembly.route_owners.get(route.name, "")
        return [_row(f"routes.{rest}.{k}", v, owner, None) for k, v in route.model_dump(mode="json").items()]
    raise UserError(
        f"{path!r} names nothing to explain",
        remedy="nself explain services.<name>, services.<name>.<field> or routes.<name>",
        code="usage",
        exit_code=2,
    )


def _service(assembly: Assembly, service: Service, field: str, settings: Settings) -> list[dict[str, Any]]:
    owner = assembly.owners.get(service.name, "")
    values = service.model_dump(mode="json", exclude={"provenance"})
    for shown, port in zip(values["ports"], service.ports, strict=True):
        shown["host"] = assembly.stack.ports.get(service.name, port.name)
    values["host_ports"] = {
        port.name: assembly.stack.ports.get(service.name, port.name)
        for port in service.ports
        if assembly.stack.ports.get(service.name, port.name)
    }
    first, _, deeper = field.partition(".")
    if not field:
        wanted: Mapping[str, Any] = {k: v for k, v in values.items() if v not in (None, "", [], {}, ())}
    elif first in values:
        value = values[first]
        if deeper:
            if not isinstance(value, Mapping) or deeper not in value:
                raise _unknown("field", field, [f"{first}.{k}" for k in value] if isinstance(value, Mapping) else [first])
            value = value[deeper]
        wanted = {field: value}
    else:
        raise _unknown("field", first, list(values))
    prefix = f"services.{service.name}."
    return [_row(prefix + k, v, owner, _origin(service, k, settings)) for k, v in wanted.items()]


def _origin(service: Service, field: str, settings: Settings) -> str | None:
    """The setting that decided a field: what the plugin or the core noted, and for ports what each port names."""
    first = field.partition(".")[0]
    noted = [service.provenance.get(field) or service.provenance.get(first)]
    if first in {"ports", "host_ports"}:
        noted += [settings.because(port.variable) for port in service.ports if port.variable]
    return ", ".join(dict.fromkeys(str(origin) for origin in noted if origin)) or None


def _row(field: str, value: Any, plugin: str, setting: str | None) -> dict[str, Any]:
    return {"field": field, "value": value, "plugin": plugin, "hook": "contribute_services", "setting": setting}


def _unknown(kind: str, name: str, known: list[str]) -> UserError:
    near = difflib.get_close_matches(name, known, 1)
    remedy = f"did you mean {near[0]}?" if near else f"it is one of {', '.join(sorted(known))}"
    return UserError(f"there is no {kind} {name!r} in this stack", remedy=remedy, code=f"{kind}-unknown")
