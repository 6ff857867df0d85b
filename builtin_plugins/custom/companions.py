"""The values of the companion variables ``CS_N_…``, each from its text: health check, mounts, needs, variables."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from builtin_plugins.custom.grammar import Fault, dns_label

if TYPE_CHECKING:
    from hookspecs.models.service import ExecProbe, HttpProbe, Mount, Need

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_VOLUME_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*\Z")
_SOCKETS = ("docker.sock", "podman.sock", "containerd.sock", "crio.sock")

#: Probe times, in seconds: a first start may install its dependencies.
TIMES = {"interval": 10, "timeout": 5, "retries": 6, "start_period": 60}


def words(text: str) -> list[str]:
    """The parts of a comma list, without blanks and empty ones."""
    return [part.strip() for part in text.split(",") if part.strip()]


def probe(text: str, tool: str) -> tuple[HttpProbe | ExecProbe | None, list[Fault]]:
    """``/path``, ``CMD program argument``, ``CMD-SHELL line``, or ``disabled``, ``none``, ``false``."""
    from hookspecs.models.service import ExecProbe, HttpProbe

    text = text.strip()
    if text.lower() in {"disabled", "none", "false"}:
        return None, []
    if text.startswith("/"):
        return HttpProbe(path=text, tool=tool, **TIMES), []  # type: ignore[arg-type]  the catalogue's own words
    kind, _, rest = text.partition(" ")
    try:
        if kind == "CMD" and (argv := shlex.split(rest)):
            return ExecProbe(command=tuple(argv), **TIMES), []
    except ValueError as error:
        return None, [(f"the health check {text!r} cannot be split: {error}", "close the quotes")]
    if kind == "CMD-SHELL" and rest.strip():
        return ExecProbe(command=("sh", "-c", rest.strip()), **TIMES), []
    return None, [
        (f"{text!r} is no health check", "give a path such as /health, CMD program argument, CMD-SHELL line, or disabled")
    ]


def mounts(text: str) -> tuple[list[Mount], list[Fault]]:
    """``source:target[:mode]``, comma-separated: a folder of the project, an absolute path, or the name of a data volume."""
    made: list[Mount] = []
    faults: list[Fault] = []
    for word in words(text):
        parts = word.split(":")
        if len(parts) not in {2, 3} or not parts[1].startswith("/") or parts[-1 if len(parts) == 3 else 0] == "":
            faults.append((f"{word!r} is no mount", "write source:/target or source:/target:ro"))
            continue
        mode = parts[2] if len(parts) == 3 else "rw"
        if mode not in {"ro", "rw"}:
            faults.append((f"{word!r} has the mode {mode!r}", "it is ro or rw"))
            continue
        mount, fault = _mount(parts[0], parts[1], read_only=mode == "ro")
        if mount:
            made.append(mount)
        faults += fault
    return made, faults


def _mount(source: str, target: str, *, read_only: bool) -> tuple[Mount | None, list[Fault]]:
    from hookspecs.models.service import Mount

    trimmed = source.rstrip("/") or "/"
    fault = _mount_fault(source, trimmed, target)
    if fault:
        return None, [fault]
    if source.startswith("/"):
        reason = "asked for by CS_N_VOLUMES"
        return Mount(kind="bind", source=trimmed, target=target, read_only=read_only, reason=reason), []
    if "/" in source or source.startswith("."):
        return Mount(kind="bind", source=trimmed.removeprefix("./"), target=target, read_only=read_only), []
    return Mount(kind="volume", source=source, target=target, read_only=read_only), []


def _mount_fault(source: str, trimmed: str, target: str) -> Fault | None:
    if trimmed == "/":
        return f"mounting {source} would give the service the whole machine", "mount the folder it needs"
    if trimmed.endswith(_SOCKETS):
        return f"mounting {source} would give the service a container engine's socket", "mount the folder it needs"
    if ".." in source.split("/"):
        return f"{source!r} leaves the project", "mount a folder of the project, or an absolute path"
    if not target.rstrip("/"):
        return f"{source}:{target} would cover the whole container", "mount below a folder"
    if "/" not in source and not source.startswith(".") and not _VOLUME_NAME.match(source):
        return f"{source!r} is no name for a volume", "use letters, digits, - and _"
    return None


def needs(text: str) -> tuple[list[Need], list[Fault]]:
    """``service[:started|healthy|completed]``, comma-separated. Whether the service exists, assembly says."""
    from hookspecs.models.service import Need

    made: list[Need] = []
    faults: list[Fault] = []
    for word in words(text):
        name, _, condition = word.partition(":")
        if condition not in {"", "started", "healthy", "completed"}:
            faults.append((f"{word!r} waits for {condition!r}", "it is started, healthy or completed"))
            continue
        try:
            made.append(Need(service=dns_label(name), condition=condition or "healthy"))  # type: ignore[arg-type]  checked above
        except ValueError:
            faults.append((f"{name!r} is no service", "give the service's name"))
    return made, faults


def variables(text: str) -> tuple[dict[str, str], list[Fault]]:
    r"""``K=V,K=V``; ``\,`` is a comma inside a value. A later K wins."""
    made: dict[str, str] = {}
    faults: list[Fault] = []
    for part in re.split(r"(?<!\\),", text):
        pair = part.replace("\\,", ",").strip()
        if not pair:
            continue
        name, sign, value = pair.partition("=")
        if not sign or not _VARIABLE.match(name.strip()):
            faults.append((f"{pair.split('=')[0]!r} is no NAME=value", r"write K=V,K=V; a comma inside a value is \,"))
            continue
        made[name.strip()] = value.strip()
    return made, faults
