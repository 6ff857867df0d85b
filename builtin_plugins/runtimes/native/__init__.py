"""The native runtime: the project's services as supervised local processes on loopback."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from hookspecs import hookimpl

if TYPE_CHECKING:
    from hookspecs import Finding, Offer, Project, Stack

NO_LIMITS = "local processes run without limits"


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
        no_limits=NO_LIMITS,
        addressing="loopback",
        prefix=".nself/native/conf/",
        priority=10,
    )


@hookimpl
def pre_deploy(project: Project, target: str, stack: Stack) -> Iterable[Finding]:
    """Limits of single processes are the kernel's to keep, in control groups that an ordinary user is rarely given."""
    from hookspecs import Finding, Level

    if project.runtime == "native":
        for service in stack.services:
            if "limits" in service.provenance and stack.why_unavailable(service.name) is None:
                yield Finding(
                    level=Level.WARNING,
                    message=f"the memory and CPU limits of {service.name} are not enforced: {NO_LIMITS}",
                    where=str(service.provenance["limits"]),
                    remedy="the compose runtime enforces them; or limit the user or the machine",
                    code="native-limits",
                )
