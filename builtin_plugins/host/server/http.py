"""How the Host's server reads HTTP: webhooks by a shorter way, where uvicorn is one that this was tried with."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Literal

import uvicorn
from packaging.specifiers import SpecifierSet

if TYPE_CHECKING:
    from ..webhooks.endpoint import Intake

_log = logging.getLogger("nself.host")

#: ``webhooks.protocol`` builds upon inner names of uvicorn, which are no promise: the versions that all tests passed with.
KNOWN = SpecifierSet(">=0.34,<0.55")

Http = type[asyncio.Protocol] | Literal["auto"]


def http_for(intake: Intake) -> Http:
    """For uvicorn's ``http``. Of another uvicorn, its own: all webhooks then come through ASGI, slower and by the same rules."""
    if uvicorn.__version__ not in KNOWN:
        _log.info("uvicorn %s is not among %s: webhooks come by the longer way", uvicorn.__version__, KNOWN)
        return "auto"
    from ..webhooks.protocol import protocol

    return protocol(intake)
