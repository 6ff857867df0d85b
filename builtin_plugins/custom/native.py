"""The native form of a custom service: a local process in its own folder, where the stack's program is on this machine."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from builtin_plugins.custom.slots import Slot
    from hookspecs.models.project import Project
    from hookspecs.models.service import ExecProbe, Native, NativeProgram
    from hookspecs.models.values import Place, Value

_HERE = "builtin_plugins.custom"
NODE_MISSING = "install Node.js 18.19 or later with npm, or pip install 'nself[node]'"
GO_MISSING = "install Go (https://go.dev/dl)"

#: Runs a command with folders put before PATH: the folders joined by a colon, then the command.
_WITH_PATH = 'PATH="$1:$PATH"; export PATH; shift; exec "$@"'


def environment_volume(label: str) -> str:
    """Name of the folder that holds what the native form installs or builds for a service."""
    return f"{label}-native"


def native_form(project: Project, slot: Slot) -> tuple[Native | None, str]:
    """The native form, or ``None`` with the reason why there is none."""
    from hookspecs.models.service import ExecProbe, Native
    from hookspecs.models.values import Place

    if slot.source.image:
        return None, "it is a ready image, which only a container runs"
    if slot.template.kind == "docker":
        return None, "it has a Dockerfile of its own, which only a container runs"
    native_probe: ExecProbe | None = slot.probe if isinstance(slot.probe, ExecProbe) else None
    made = Native(
        command=_command(project, slot),
        programs=_programs(slot),
        prepare=f"{_HERE}.prepare:{'node_compiled' if slot.template.compile_first else slot.template.kind}",
        env={"BIND_ADDRESS": "127.0.0.1"},
        cwd=Place(of="project", name=slot.source.context),
        probe=native_probe.model_copy(update={"native": native_probe.command}) if native_probe else None,
    )
    return made, ""


def _programs(slot: Slot) -> tuple[NativeProgram, ...]:
    from hookspecs.models.service import NativeProgram

    python = NativeProgram(name="python", locate=f"{_HERE}.programs:python", install="Python is not here")
    if slot.template.kind == "node":
        node = NativeProgram(name="node", locate=f"{_HERE}.programs:node", install=NODE_MISSING)
        npm = NativeProgram(name="npm", locate=f"{_HERE}.programs:npm", install=NODE_MISSING)
        return python, node, npm
    if slot.template.kind == "go":
        return (NativeProgram(name="go", names=("go",), install=GO_MISSING),)
    return (python,)


def _command(project: Project, slot: Slot) -> tuple[Value, ...]:
    """What runs: the user's ``CS_N_COMMAND``, or the template's main file; in dev under our reloader."""
    from hookspecs.models.values import Join, Place, Program

    volume = Place(of="volume", name=environment_volume(slot.label))
    source = Place(of="project", name=slot.source.context)
    own = project.settings.get(slot.variable("COMMAND"))
    if slot.template.kind == "go":
        bins, run = Join.of(volume, "/bin"), (Join.of(volume, "/bin/service"),)
    elif slot.template.kind == "node":
        bins, run = Join.of(source, "/node_modules/.bin"), (Program(name="node"), *slot.template.main)
    else:
        bins, run = Join.of(volume, "/venv/bin"), (Join.of(volume, "/venv/bin/python"), *slot.template.main)
    command: tuple[Value, ...] = ("sh", "-c", _WITH_PATH, "sh", bins, *shlex.split(str(own))) if own else run
    return (*_reloader(project, slot, source), *command)


def _reloader(project: Project, slot: Slot, source: Place) -> tuple[Value, ...]:
    """The reloader's own arguments, nothing where the source is compiled or hot reload is off."""
    from hookspecs.models.values import Program, python_module

    wanted = project.settings.get("ENABLE_HOT_RELOAD")
    if not slot.template.interpreted or not (project.environment.is_dev if wanted is None else wanted):
        return ()
    build: tuple[Value, ...] = (Program(name="npm"), "run", "build") if slot.template.compile_first else ()
    before = [argument for part in build for argument in ("--before", part)]
    return (*python_module(f"{_HERE}.reload"), "--folder", source, *before, "--")
