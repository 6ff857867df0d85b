"""A project opened: its settings and plugins, and from them stacks, runtimes and builds. What every command starts from."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hookspecs.errors import UserError
from nself_core import paths

if TYPE_CHECKING:
    from hookspecs.models.findings import Finding
    from hookspecs.models.project import Environment, Project
    from hookspecs.models.runtime import Offer, Runtime
    from hookspecs.models.stack import PluginMigration, PortMap, Stack
    from nself_core.build import BuildReport
    from nself_core.plugins.manager import PluginManager
    from nself_core.settings import Declarations, LoadedSettings
    from nself_core.stack.assemble import Assembly

RUNTIME_FILE = "runtime.json"
#: The project's name and folder at the first start, by environment: runtimes find what runs, and its data, by its name.
NAME_FILE = "name.json"
PORTS_FILE = "ports.json"


class Workspace:
    """One project in one environment. Nothing is written by opening it."""

    def __init__(
        self, root: Path, home: Path, plugins: PluginManager, loaded: LoadedSettings, environ: Mapping[str, str]
    ) -> None:
        self.root = root
        self.home = home
        self.plugins = plugins
        self.loaded = loaded
        self._environ = environ
        self._assemblies: dict[str, Assembly] = {}

    @classmethod
    def open(cls, env: str | None = None, start: Path | None = None, *, kept: bool = True) -> Workspace:
        """Open the project that ``start`` (the working folder) lies in; ``UserError`` where there is none.

        ``kept``: what the last build took from the process environment counts where it is no longer set there.
        """
        from nself_core.kept_environ import with_kept
        from nself_core.plugins import PluginManager
        from nself_core.settings import load
        from nself_core.settings.environment import CLASSES, in_force

        root = find_root(start)
        wanted = in_force(root, env=env, environ=os.environ)
        if wanted.name not in CLASSES:  # a misspelt one would get secrets and files of its own
            from nself_core.settings.environments import require

            require(root, wanted.name, wanted.chosen_by)
        home = paths.home()
        plugins = PluginManager.open(home, root)
        environ: Mapping[str, str] = os.environ
        if kept:
            environ = with_kept(root / ".nself", wanted.name, environ)
        loaded = load(root, _declarations(plugins), env=env, home=home, environ=environ)
        return cls(root, home, plugins, loaded, environ)

    def refresh(self) -> None:
        """Read the settings again: after secrets were made or a setting changed."""
        from nself_core.settings import load

        self.loaded = load(
            self.root, _declarations(self.plugins), env=self.environment.name, home=self.home, environ=self._environ
        )
        self.forget()

    @property
    def state(self) -> Path:
        """The project's ``.nself`` folder. It need not exist."""
        return self.root / ".nself"

    @property
    def environment(self) -> Environment:
        return self.loaded.environment

    @property
    def findings(self) -> list[Finding]:
        """Warnings and notes gathered so far: settings, plugins, assemblies; without repeats."""
        found = [*self.loaded.findings, *self.plugins.findings]
        found += [f for assembly in self._assemblies.values() for f in assembly.findings]
        return list({(f.level, f.where, f.message): f for f in found}.values())

    def require_valid(self) -> None:
        """Raise every error that reading the settings found, as one."""
        from nself_core.stack.assemble import raise_errors

        raise_errors(list(self.loaded.findings))

    def project(self, runtime: str) -> Project:
        """What hooks are given for a runtime."""
        from hookspecs.models.project import Project
        from nself_core.plugins.shared import shared_path

        installed = self.plugins.installed  # first, as it may leave one out
        return Project(
            name=self.loaded.project_name,
            root=self.root,
            environment=self.environment,
            runtime=runtime,
            settings=self.loaded.settings,
            domain=self.loaded.domain,
            plugins=self.plugins.names(),
            installed=installed,
            packages=shared_path(self.home) if installed else None,
        )

    # -- stacks

    def stack(self, runtime: str) -> Stack:
        """The Stack bound to a runtime, with the ports that ``start`` settled."""
        return self.assembly(runtime).stack

    def assembly(self, runtime: str) -> Assembly:
        """The Stack with what was found on the way and who contributed what. Made once; see ``forget``."""
        if runtime not in self._assemblies:
            self._assemblies[runtime] = self._assemble(self.offer(runtime))
        return self._assemblies[runtime]

    def stack_findings(self) -> list[Finding]:
        """What assembling the stack of every runtime finds beyond the settings: each plugin's own rules. Nothing is raised."""
        found: list[Finding] = []
        for offer in self.offers():
            try:
                found += self.assembly(offer.name).findings
            except UserError as error:
                found += error.faults()
        known = {(f.where, f.message) for f in self.loaded.findings}
        return list({(f.where, f.message): f for f in found if (f.where, f.message) not in known}.values())

    def forget(self) -> None:
        """Drop the assemblies, after the ports changed."""
        self._assemblies.clear()

    def _assemble(self, offer: Offer) -> Assembly:
        from nself_core.stack.assemble import assemble

        self.require_valid()
        project = self.project(offer.name)
        assembly = assemble(
            project,
            self.plugins.contribute_services(project),
            addressing=offer.addressing,
            known_ports=self.known_ports(offer.name),
            generic=self.loaded.generic,
            offers=self._offered_capabilities(),
            missing=_load(offer.missing) if offer.missing else None,
            migrations=self._migrations(project),
        )
        names = [s.name for s in assembly.stack.services]
        assembly.findings.extend(self.loaded.check_generic(names))
        return assembly

    def _migrations(self, project: Project) -> list[PluginMigration]:
        from hookspecs.models.stack import PluginMigration

        return [PluginMigration(plugin=plugin, migration=m) for plugin, m in self.plugins.migrate_schema(project)]

    def _offered_capabilities(self) -> dict[str, str]:
        return {name: how for manifest in self.plugins.manifests() for name, how in manifest.get("offers", {}).items()}

    # -- ports

    def known_ports(self, runtime: str) -> PortMap:
        """The host ports that ``start`` settled for a runtime, empty before the first start."""
        from hookspecs.models.stack import PortMap

        path = self.state / PORTS_FILE
        document = read_json(path)
        try:
            ports = document.get(runtime, {}).get(self.environment.name, {})
            return PortMap(ports={str(k): int(v) for k, v in ports.items()})
        except (AttributeError, TypeError, ValueError) as error:
            raise _broken_state(path, error) from error

    def remember_ports(self, runtime: str, ports: PortMap) -> None:
        """Write the PortMap of a runtime, and assemble again from it."""
        document = read_json(self.state / PORTS_FILE)
        document.setdefault(runtime, {})[self.environment.name] = dict(ports.ports)
        self.write_state(PORTS_FILE, document)
        self.forget()

    # -- runtimes

    @cached_property
    def _offers(self) -> list[Offer]:
        return [offer for _, offer in self.plugins.provide_runtime(self.project(""))]

    def offers(self) -> list[Offer]:
        """The runtimes on offer, best first."""
        return sorted(self._offers, key=lambda o: (not o.available, -o.priority, o.name))

    def offer(self, name: str) -> Offer:
        """A runtime's offer by name; ``UserError`` names those there are."""
        for offer in self._offers:
            if offer.name == name:
                return offer
        known = ", ".join(sorted(o.name for o in self._offers))
        raise UserError(f"there is no runtime {name!r}", remedy=f"it is one of {known}", code="runtime-unknown", exit_code=2)

    def recorded_runtime(self) -> str | None:
        """The runtime that the first start chose for this environment."""
        name = read_json(self.state / RUNTIME_FILE).get(self.environment.name)
        return str(name) if name else None

    def record_runtime(self, name: str) -> None:
        """Remember the choice, and the project's name."""
        self.require_same_name()
        for file, value in ((RUNTIME_FILE, name), (NAME_FILE, [self.loaded.project_name, str(self.root)])):
            document = read_json(self.state / file)
            if document.get(self.environment.name) != value:
                self.write_state(file, {**document, self.environment.name: value})

    def forget_runtime(self) -> None:
        """Forget the choice and the name, after all was removed: the next start may take others."""
        for file in (RUNTIME_FILE, NAME_FILE):
            document = read_json(self.state / file)
            if document.pop(self.environment.name, None) is not None:
                self.write_state(file, document)

    def require_same_name(self) -> None:
        """``UserError`` where ``PROJECT_NAME`` changed since the first start: nothing that runs, and no data, would be found.

        A copy of the project in another folder may have another name.
        """
        known, root = read_json(self.state / NAME_FILE).get(self.environment.name) or ("", "")
        name = self.loaded.project_name
        if known != name and root == str(self.root):
            raise UserError(
                f"PROJECT_NAME is {name}, and this project was started as {known}: its services and data are under that name",
                where=str(self.loaded.settings.origin("PROJECT_NAME") or ""),
                remedy=f"set PROJECT_NAME={known} again; to rename the project, nself destroy it under that name first",
                code="project-renamed",
            )

    def runtime_name(self, wanted: str | None = None) -> str:
        """``wanted``, else the recorded one, else ``NSELF_RUNTIME``, else the best that is available."""
        chosen = wanted or self.recorded_runtime() or self.loaded.settings.get("NSELF_RUNTIME")
        if chosen:
            return self.offer(str(chosen)).name
        best = self.offers()[0]
        if not best.available:
            reasons = "; ".join(f"{o.name}: {o.reason}" for o in self.offers())
            raise UserError("no runtime can run here", where=reasons, remedy="pip install 'nself[native]'", code="runtime-none")
        return best.name

    def runtime(self, name: str | None = None) -> Runtime:
        """The runtime, bound to the project's Stack."""
        self.require_same_name()
        offer = self.offer(self.runtime_name(name))
        return self._bound(offer, self.stack(offer.name))

    def _bound(self, offer: Offer, stack: Stack) -> Runtime:
        made: Runtime = _load(offer.load)(self.project(offer.name), stack, self.state, self.resolver(stack))
        return made

    def stopper(self, name: str) -> Runtime:
        """The runtime for stopping everything: also where settings have faults since the start, so that no Stack can be made.

        It then knows no service by name. ``UserError`` where the fault is in the project's name, by which it finds what runs.
        """
        from hookspecs.models.findings import Level
        from hookspecs.models.stack import Stack

        self.require_same_name()
        try:
            return self.runtime(name)
        except UserError:
            if any(one.variable == "PROJECT_NAME" and one.level is Level.ERROR for one in self.loaded.findings):
                raise
        offer = self.offer(name)
        stack = Stack(
            project=self.loaded.project_name, environment=self.environment.name, runtime=offer.name,
            addressing=offer.addressing, services=(),
        )  # fmt: skip
        return self._bound(offer, stack)

    def resolver(self, stack: Stack) -> Any:
        """The ``Resolver`` of a stack."""
        from nself_core.stack.resolver import ValueResolver

        return ValueResolver(stack, self.secret_values())

    def secret_values(self) -> Mapping[str, str]:
        """Secret settings by name. They must not be printed or logged."""
        return self.loaded.secrets

    # -- building and state

    def build(self, *, force: bool = False, asked: str | None = None) -> BuildReport:
        """Make missing secrets, render every runtime and write what changed. ``asked``: the environment ``--env`` named."""
        from nself_core.build import build

        return build(self, force=force, asked=asked)

    @contextmanager
    def lock(self, action: str) -> Iterator[None]:
        """One nself at a time in a project; ``UserError`` names what the other one does and its process."""
        from nself_core.lock import project_lock

        self.make_state()
        with project_lock(self.state, action):
            yield

    def make_state(self) -> None:
        """Make the ``.nself`` folder: private, and ignored by git."""
        make_state(self.state)

    def write_state(self, name: str, document: Mapping[str, Any]) -> None:
        """Write one of the project's state files."""
        from nself_core.render.atomic import write_atomically

        self.make_state()
        write_atomically(self.state / name, (json.dumps(document, indent=1, sort_keys=True) + "\n").encode(), 0o600)


def _declarations(plugins: PluginManager) -> Declarations:
    """What the enabled plugins declare; what installed ones would, for naming them."""
    from nself_core.settings import Declarations

    names = plugins.names()
    idle = [manifest for manifest in plugins.all_manifests() if manifest["name"] not in names]
    return Declarations.of(plugins.manifests(), disabled=idle)


def find_root(start: Path | None = None) -> Path:
    """The project that ``start`` lies in; ``UserError`` where there is none."""
    root = paths.find_root(start)
    if root is None:
        raise UserError(
            "this is no nself project: there is no .env, .env.dev or .environments here or above",
            where=str(start or Path.cwd()),
            remedy="nself init, or go to the project's folder",
            code="no-project",
        )
    return root


def make_state(state: Path) -> None:
    """Make a project's ``.nself`` folder."""
    try:
        state.mkdir(mode=0o700, exist_ok=True)
        ignore = state / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"cannot write in this folder: {error.strerror}", where=str(state), remedy="mend its permissions", code="read-only"
        ) from error


def read_json(path: Path) -> dict[str, Any]:
    """A state file, empty where it is missing. A broken one is an error: it is ours, and guessing would lose data."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise _broken_state(path, error) from error
    return document if isinstance(document, dict) else {}


def _broken_state(path: Path, error: Exception) -> UserError:
    return UserError(f"cannot be read: {error}", where=str(path), remedy="remove it, then nself start", code="state")


def _load(reference: str) -> Callable[..., Any]:
    """The object that ``package.module:name`` names."""
    module, _, name = reference.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), name)
    return found
