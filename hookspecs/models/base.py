"""The base of every model: frozen, closed, and cheap to build."""

from __future__ import annotations

import os
import re
from typing import Annotated

# Looking for pydantic's own plugins imports importlib.metadata: 12 ms that every command would pay for nothing.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

from pydantic import AfterValidator, BaseModel, ConfigDict

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")


class Model(BaseModel):
    """A frozen value that refuses unknown fields, so a misspelt one is an error and not a silence."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


def dns_label(value: str) -> str:
    """Return ``value`` if it is a DNS label (RFC 1123: lower-case letters, digits, inner hyphens, at most 63)."""
    if not _LABEL.match(value):
        raise ValueError(f"{value!r} is no DNS label: use lower-case letters, digits and inner hyphens, at most 63")
    return value


#: A service's name: a DNS label, so that it is a host name in every runtime.
Name = Annotated[str, AfterValidator(dns_label)]
