"""Turning values into text, as far as that goes without secrets: what ``render_config`` needs."""

from __future__ import annotations

from collections.abc import Iterator

from hookspecs.models.stack import Stack
from hookspecs.models.values import Frontends, Get, Join, Part, Place, Program, Ref, Secret, Value

_DEEPEST = 8  # attributes that refer to attributes: deeper is a circle


class _AbsentError(Exception):
    """A part stands for nothing here, so the whole value is left out."""


def plain(stack: Stack, service: str, value: Value | None, instance: int = 1) -> str | Join | None:
    """What ``value`` stands for at that service's instance: text, or a ``Join`` where secrets and places remain.

    ``None`` where it is left out: the capability has no provider on this runtime, or the service is not in the stack.
    """
    if value is None or isinstance(value, str):
        return value
    try:
        parts = _merged(_parts(stack, service, value, instance, 0))
    except _AbsentError:
        return None
    if all(isinstance(part, str) for part in parts):
        return "".join(str(part) for part in parts)
    return Join(parts=tuple(parts))


def _merged(parts: Iterator[Part]) -> list[Part]:
    merged: list[Part] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        else:
            merged.append(part)
    return merged


def _parts(stack: Stack, service: str, value: Part, instance: int, depth: int) -> Iterator[Part]:
    if depth > _DEEPEST:
        raise ValueError(f"the values of {service} refer to each other in a circle")
    match value:
        case str() | Secret() | Place() | Program():
            yield value
        case Join():
            inner = (found for part in value.parts for found in _parts(stack, service, part, instance, depth))
            if value.quote != "none":  # it can be quoted only once its secrets are known
                yield Join(parts=tuple(_merged(inner)), quote=value.quote)
            else:
                yield from inner
        case Ref():
            yield _reference(stack, service, value, instance)
        case Frontends():
            yield _frontends(stack, value)
        case Get():
            yield from _attribute(stack, value, depth)


def _attribute(stack: Stack, value: Get, depth: int) -> Iterator[Part]:
    provider = stack.provider(value.capability)
    if provider is not None:
        attribute = provider.provides[value.capability].attributes.get(value.attribute)
        if attribute is not None:
            yield from _parts(stack, provider.name, attribute, 1, depth + 1)
            return
    if value.default is None:
        raise _AbsentError
    yield value.default


def _frontends(stack: Stack, value: Frontends) -> str:
    numbered = sorted((route.frontend, stack.public_url(route)) for route in stack.routes if route.frontend is not None)
    urls = [url for _, url in numbered][: 1 if value.first else None]
    if not urls and value.default is None:
        raise _AbsentError
    return value.before + ",".join(urls) if urls else value.default or ""


def _reference(stack: Stack, service: str, ref: Ref, instance: int) -> str:
    target = stack.find(ref.service)
    if target is None or stack.why_unavailable(target.name):
        raise _AbsentError
    if ref.audience == "public":
        return _public(stack, ref)
    own = target.name == service
    addresses = stack.addresses(target.name, ref.port)
    address = addresses[min(instance, len(addresses)) - 1] if own else addresses[0]
    if ref.as_ == "host":
        return address.host
    if ref.as_ == "port":
        return str(address.port)
    scheme = "tcp" if target.port(ref.port).protocol == "tcp" else "http"
    return f"{scheme}://{address.host}:{address.port}"


def _public(stack: Stack, ref: Ref) -> str:
    for route in stack.routes_of(ref.service):
        if route.target.kind == "service" and route.target.port == ref.port:
            if ref.as_ == "host":
                return route.host
            url = stack.public_url(route)
            return url if ref.as_ == "url" else str(stack.public_port() or "")
    published = stack.ports.get(ref.service, ref.port)
    if published is None:
        raise _AbsentError
    return {"host": "127.0.0.1", "port": str(published), "url": f"http://127.0.0.1:{published}"}[ref.as_]
