"""The native runtime: the project's services as supervised local processes on loopback."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from hookspecs import hookimpl

if TYPE_CHECKING:
    from hookspecs import Offer, Project


@hookimpl
def provide_runtime(project: Project | None) -> Offer:
    from importlib.util import find_spec

    from hookspecs import Offer

    reason = ""
    if sys.platform == "win32":
        reason = "Windows is served through WSL"
    elif find_spec("supervisor") is None:
        reason = "its programs are not installed: pip install 'nself[native]'"
    return Offer(
        name="native",
        available=not reason,
        reason=reason or "local processes",
        load="builtin_plugins.runtimes.native.runtime:NativeRuntime",
        missing="builtin_plugins.runtimes.native.programs:missing",
        addressing="loopback",
        prefix=".nself/native/conf/",
        priority=10,
    )
