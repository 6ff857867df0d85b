"""What a service's environment is made of: plain text stands in the Compose file, what holds a secret in an env file."""

from __future__ import annotations

from collections.abc import Mapping

from hookspecs import Join, Service, Stack
from hookspecs.resolve import plain

FOLDER = ".nself/compose/env"


def path_of(service: str) -> str:
    """The env file of a service, relative to the project's root."""
    return f"{FOLDER}/{service}.env"


def plain_values(stack: Stack, service: Service) -> dict[str, str]:
    """The variables without a secret, by name."""
    return {name: value for name, value in sorted(_resolved(stack, service).items()) if isinstance(value, str)}


def secret_lines(stack: Stack, service: Service) -> dict[str, Join]:
    """The variables with a secret, by name."""
    return {name: value for name, value in sorted(_resolved(stack, service).items()) if isinstance(value, Join)}


def content(lines: Mapping[str, Join]) -> Join:
    """The env file: one assignment each, quoted once the secret is known."""
    parts: list[str | Join] = []
    for name, value in lines.items():
        parts += [Join(parts=(f"{name}=", *value.parts), quote="env-line"), "\n"]
    return Join(parts=tuple(parts))


def _resolved(stack: Stack, service: Service) -> dict[str, str | Join]:
    found = {name: plain(stack, service.name, value) for name, value in service.env.items()}
    hidden = {name: Join(parts=(value,)) for name, value in found.items() if name in service.private and isinstance(value, str)}
    return {name: value for name, value in {**found, **hidden}.items() if value is not None}
