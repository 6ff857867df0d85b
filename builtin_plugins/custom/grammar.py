"""The one parser of ``CS_N=name:template[:port][:route]``: text in, fields or faults out. It reads no settings and no files."""

from __future__ import annotations

import re
from typing import NamedTuple

#: What a fault says: the message and what to do.
Fault = tuple[str, str]

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?\Z")
_ROUTE_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\Z")
SHAPE = "name:template[:port][:route]"

#: Default port of slot N is this plus N.
FIRST_PORT = 8000


class Short(NamedTuple):
    """The short form taken apart. ``port`` is ``None`` where the default stands, ``route`` where none is given."""

    name: str = ""
    template: str = ""
    port: int | None = None
    route: str | None = None
    faults: tuple[Fault, ...] = ()


def parse(text: str) -> Short:
    """Take ``name:template[:port][:route]`` apart and report every fault of its form at once.

    An empty or zero port is the default. Whether the template exists is not asked here.
    """
    faults: list[Fault] = []
    fields = [part.strip() for part in text.split(":")]
    if len(fields) > 4:
        faults.append((f"{text!r} has {len(fields)} fields, and at most 4 mean something", f"write {SHAPE}"))
    name, template, port_text, route = [*fields, "", "", ""][:4]
    faults += check_name(name)
    if not template:
        faults.append((f"{text!r} names no template", f"write {SHAPE}, for example {name or 'api'}:fastapi"))
    port, port_faults = parse_port(port_text)
    faults += port_faults
    if route:
        faults += check_route(route)
    return Short(name=name, template=template, port=port, route=route or None, faults=tuple(faults))


def check_name(name: str) -> list[Fault]:
    """Faults of a service's name: lower-case letters, digits, inner ``-`` and ``_``, at most 63 characters."""
    if not name:
        return [("the service has no name", f"write {SHAPE}")]
    if _NAME.match(name):
        return []
    better = suggest_name(name)
    remedy = f"write {better}" if better else "use lower-case letters, digits, and - or _ between them"
    return [(f"{name!r} is no name for a service: lower-case letters, digits, inner - and _, at most 63 characters", remedy)]


def suggest_name(name: str) -> str:
    """The nearest name that is allowed, empty where nothing of it is left."""
    return re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_")[:63].rstrip("-_")


def parse_port(text: str) -> tuple[int | None, list[Fault]]:
    """A port from 1 to 65535; empty and 0 are the default (``None``)."""
    if not text:
        return None, []
    if not re.fullmatch(r"[0-9]{1,7}", text) or int(text) > 65535:
        return None, [(f"{text!r} is no port", "give a number from 1 to 65535, or leave it empty for the default")]
    return int(text) or None, []


def check_route(route: str) -> list[Fault]:
    """Faults of a route: a label, several joined by dots, a full domain, or ``@`` for the domain itself."""
    if route == "@" or all(_ROUTE_LABEL.match(label) for label in route.split(".")):
        return []
    return [(f"{route!r} is no route", "give a label such as api, or a full domain such as api.example.com")]


def dns_label(name: str) -> str:
    """The name every runtime uses as a host name: ``_`` becomes ``-``."""
    return name.replace("_", "-")
