"""Values to strings, secrets included: the last step before something is written or started."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote

from hookspecs.errors import UserError
from hookspecs.models.stack import Stack
from hookspecs.models.values import Join, Part, Place, Program, Secret, Value
from hookspecs.quoting import env_line
from hookspecs.resolve import plain

Places = Callable[[str, str], Path]
Programs = Callable[[str], str]


class ValueResolver:
    """The ``Resolver`` of one Stack. ``secrets`` maps secret settings to their values."""

    def __init__(self, stack: Stack, secrets: Mapping[str, str]) -> None:
        self._stack = stack
        self._secrets = secrets

    def value(
        self,
        service: str,
        value: Value,
        instance: int = 1,
        *,
        place: Places | None = None,
        program: Programs | None = None,
    ) -> str | None:
        """See ``hookspecs.Resolver``."""
        known = plain(self._stack, service, value, instance)
        if known is None or isinstance(known, str):
            return known
        return self.text(known, place=place, program=program)

    def text(self, joined: Join, *, place: Places | None = None, program: Programs | None = None) -> str:
        """The text of a ``Join`` of which only secrets, places and programs are left."""
        return "".join(self._part(part, place, program) for part in joined.parts)

    def environment(
        self, service: str, instance: int = 1, *, place: Places | None = None, program: Programs | None = None
    ) -> dict[str, str]:
        """See ``hookspecs.Resolver``."""
        spec = self._stack.find(service)
        if spec is None:
            raise KeyError(service)
        values = dict(spec.env)
        if self._stack.addressing == "loopback" and spec.native is not None:
            values |= spec.native.env
        found = {
            name: self.value(spec.name, value, instance, place=place, program=program)
            for name, value in values.items()
            if value is not None
        }
        return {name: text for name, text in found.items() if text is not None}

    def _part(self, part: Part, place: Places | None, program: Programs | None) -> str:
        match part:
            case str():
                return part
            case Secret():
                return self._secret(part)
            case Join():
                text = self.text(part, place=place, program=program)
                return env_line(text) if part.quote == "env-line" else text
            case Place() if place is not None:
                return str(place(part.of, part.name))
            case Program() if program is not None:
                return program(part.name)
            case _:
                raise ValueError(f"{part!r} has no meaning on the {self._stack.runtime} runtime")

    def _secret(self, secret: Secret) -> str:
        try:
            value = self._secrets[secret.name]
        except KeyError:
            raise UserError(
                f"the secret {secret.name} has no value",
                remedy=f"nself config set {secret.name}, or nself secrets generate",
                code="secret-missing",
            ) from None
        if secret.derive:
            return hmac.digest(value.encode(), secret.derive.encode(), "sha256").hex()
        if secret.quote == "url":
            return quote(value, safe="")
        if secret.quote == "ini":
            return value.replace("%", "%%")
        return json.dumps(value, ensure_ascii=False)[1:-1] if secret.quote == "json" else value
