"""The typed face of the plugins: one method per hook, so that no caller touches pluggy.

Opening it imports no plugin, no pluggy and no pydantic. A plugin is imported when a hook that its manifest lists is called,
if it takes part in the project and its state allows it. What disables a plugin is a finding; the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nself_core.plugins import index
from nself_core.plugins.lock import Lock
from nself_core.plugins.model import Found, PluginEntry, State
from nself_core.plugins.ordering import in_order
from nself_core.plugins.trust import Trust, Verdict

if TYPE_CHECKING:
    import click

    from hookspecs.models.findings import Finding
    from hookspecs.models.host import Event, HostContext, Job, WebhookResult
    from hookspecs.models.installed import InstalledPlugin
    from hookspecs.models.migrations import Migration
    from hookspecs.models.plan import File
    from hookspecs.models.project import Project
    from hookspecs.models.routes import CertificateRequest, Route
    from hookspecs.models.runtime import Offer
    from hookspecs.models.service import Service
    from hookspecs.models.stack import Stack
    from nself_core.plugins.registry import Registry


class PluginManager:
    """The plugins of one project, or of none. Results are sorted by declared dependencies, then by plugin name."""

    def __init__(self, home: Path, root: Path | None, found: tuple[Found, ...]) -> None:
        self.home = home
        self.root = root
        self.lock = Lock(root)
        self.trust = Trust(home)
        self.found = found
        self._verdicts: dict[int, Verdict] = {}
        self._left_out: dict[str, tuple[str, str]] = {}
        """Plugin name → why it is left out, and what to do."""

    @classmethod
    def open(cls, home: Path, root: Path | None) -> PluginManager:
        """The plugins that are there, as the project at ``root`` sees them."""
        from nself_core.plugins.project_file import NAME, find

        found, own = index.load(home), find(root)
        if own:
            taken = f"its name is that of this project's {NAME}.py"
            others = [one._replace(problem=taken) if one.name == NAME else one for one in found]
            found = tuple(sorted((*own, *others), key=lambda one: one.name))
        return cls(home, root, found)

    # What there is

    def known(self) -> list[PluginEntry]:
        """Every plugin that was found, by name, with its state as its files are now."""
        return [self._entry(found) for found in self.found]

    def find(self, name: str) -> PluginEntry | None:
        """The plugin of that name; the one in use where several claim it."""
        named = [self._entry(found) for found in self.found if found.name == name]
        return min(named, key=lambda entry: bool(entry.reason), default=None)

    def claiming(self) -> list[Found]:
        """The plugins whose words count in help: what the project wants, not judged, as judging all takes time at each start.

        A word's plugin is judged when its word is used.
        """
        return [one for one in self.found if not one.problem and self._wanted(one) and self.trust.plausible(one)]

    def taking_part(self) -> list[PluginEntry]:
        """The plugins that take part, in order."""
        return [self._entry(found) for found in self._taking_part()]

    def names(self) -> frozenset[str]:
        """The names of the plugins that take part."""
        return frozenset(found.name for found in self._taking_part())

    @cached_property
    def installed(self) -> tuple[InstalledPlugin, ...]:
        """Those that take part and are not ours, with what it takes to run their code. Who has no valid manifest is left out."""
        # a project's own file has nothing for the Host
        others = [found for found in self._taking_part() if found.source not in {"core", "project"}]
        if not others:
            return ()
        from pydantic import ValidationError

        from hookspecs.models.installed import InstalledPlugin
        from nself_core.plugins.declared import manifest
        from nself_core.plugins.shared import own_environment

        made = []
        for found in others:
            try:
                whole = manifest(found)
            except ValidationError as error:
                fault = error.errors()[0]
                where = ".".join(str(part) for part in fault["loc"])
                self._leave_out(found.name, f"plugin.json: {where}: {fault['msg']}", "its author must mend it")
                continue
            verdict = self._verdict(found)
            made.append(
                InstalledPlugin(
                    name=found.name, version=whole.version, module=found.module, folder=found.folder, state=verdict.state.value,
                    files=verdict.files, manifest=whole,
                    environment=str(own_environment(self.home, found.name) or "") if whole.own_environment else "",
                )
            )  # fmt: skip
        return tuple(made)

    def manifests(self) -> list[dict[str, Any]]:
        """The manifests of the plugins that take part, in order."""
        return [dict(found.manifest) for found in self._taking_part()]

    def all_manifests(self) -> list[dict[str, Any]]:
        """The manifests of all that are there, also of those that take no part here, by name."""
        return [dict(found.manifest) for found in self.found if found.manifest and not found.problem]

    def reason(self, name: str) -> str:
        """Why a plugin is left out, empty where nothing speaks against it."""
        return self._faults.get(name, ("", ""))[0]

    @property
    def findings(self) -> list[Finding]:
        """Why plugins are left out (so far: more may come as hooks are called), and what is installed but not enabled."""
        from hookspecs.models.findings import Finding, Level

        told = [
            Finding(level=Level.WARNING, message=f"plugin {name} is left out: {reason}", remedy=remedy, code="plugin-left-out")
            for name, (reason, remedy) in sorted(self._faults.items())
        ]
        told += self._other_content()
        idle = [found.name for found in self.found if not found.problem and not self._wanted(found)]
        if idle and self.root is not None:
            names = ", ".join(idle[:5]) + (f" and {len(idle) - 5} more" if len(idle) > 5 else "")
            message = f"installed, not enabled in this project and so without effect: {names}"
            remedy = "nself plugin list; nself plugin allow NAME enables one"
            told.append(Finding(level=Level.NOTE, message=message, remedy=remedy, code="plugin-idle"))
        return told

    def _other_content(self) -> list[Finding]:
        """Where this machine's files of a plugin are not those that were enabled in the project, perhaps by someone else."""
        from hookspecs.models.findings import Finding, Level
        from nself_core.plugins.hashing import total

        told = []
        for found in self._taking_part():
            pin, files = self.lock.pins.get(found.name), self._verdict(found).files
            if pin is not None and files is not None and pin.hash not in {"", total(files)}:
                version = found.manifest["version"]
                message = f"plugins.lock was written for {found.name} {pin.version} with other files than those of {version} here"
                remedy = f"install that one, or nself plugin enable {found.name} to record what is here"
                told.append(Finding(level=Level.WARNING, message=message, remedy=remedy, code="plugin-differs"))
        return told

    def verdict(self, name: str) -> Verdict:
        """What was judged of the plugin in use under that name, a built-in's files too; ``KeyError`` where there is none."""
        named = [found for found in self.found if found.name == name]
        if not named:
            raise KeyError(name)
        found = min(named, key=lambda found: bool(found.problem))
        return self.trust.judge_ours(found) if found.source == "core" else self._verdict(found)

    def require(self, name: str) -> None:
        """``UserError`` where a plugin takes no part, with the reason."""
        from hookspecs.errors import UserError

        if name not in self.names():
            reason, remedy = self._faults.get(name, ("it takes no part here", f"nself plugin status {name}"))
            raise UserError(f"plugin {name} cannot be used: {reason}", remedy=remedy, code="plugin-left-out")

    # The hooks

    def contribute_services(self, project: Project) -> list[tuple[str, Service | Route | CertificateRequest]]:
        """Services, routes and certificates wanted, with the name of the plugin that contributes each."""
        from hookspecs.models.routes import CertificateRequest, Route
        from hookspecs.models.service import Service
        from nself_core.plugins import declared

        return self._collect("contribute_services", {"project": project}, (Service, Route, CertificateRequest), declared.services)

    def render_config(self, project: Project, stack: Stack) -> list[tuple[str, File]]:
        """Generated files for the project's runtime."""
        from hookspecs.models.plan import File

        return self._collect("render_config", {"project": project, "stack": stack}, (File,))

    def pre_deploy(self, project: Project, target: str, stack: Stack) -> list[tuple[str, Finding]]:
        """What plugins find before a start (``target="local"``) or a deploy; an ``error`` stops it."""
        from hookspecs.models.findings import Finding

        return self._collect("pre_deploy", {"project": project, "target": target, "stack": stack}, (Finding,))

    def migrate_schema(self, project: Project) -> list[tuple[str, Migration]]:
        """Schema changes, each plugin's in its own order."""
        from hookspecs.models.migrations import Migration
        from nself_core.plugins import declared

        return self._collect("migrate_schema", {"project": project}, (Migration,), declared.migrations)

    def provide_runtime(self, project: Project | None) -> list[tuple[str, Offer]]:
        """The runtimes on offer; ``project`` is ``None`` outside one."""
        from hookspecs.models.runtime import Offer
        from nself_core.plugins.calls import run

        offers: list[tuple[str, Offer]] = []
        for found, call in self._implementing("provide_runtime"):
            got = run(found, "provide_runtime", partial(_as_list, call, project=project), (Offer,))
            offers += [(found.name, offer) for offer in got]
        return offers

    def register_commands(self, name: str, group: click.Group) -> None:
        """Let one plugin add its commands to ``group``. ``UserError`` where it takes no part."""
        from nself_core.plugins.calls import told

        found, call = self._one(name, "register_commands")
        with told(found, "register_commands"):
            call(cli=group)

    async def handle_webhook(self, name: str, event: Event, host: HostContext) -> WebhookResult:
        """Hand an event to the addressed plugin alone. What it raises passes, for the caller retries it."""
        _, call = self._one(name, "handle_webhook")
        result: WebhookResult = await call(event=event, host=host)
        return result

    def contribute_routes(self, project: Project, host_of: Callable[[str], HostContext]) -> list[tuple[str, Any]]:
        """ASGI applications; ``host_of`` gives each plugin its own context."""
        from nself_core.plugins.calls import told

        applications: list[tuple[str, Any]] = []
        for found, call in self._implementing("contribute_routes"):
            with told(found, "contribute_routes"):
                application = call(project=project, host=host_of(found.name))
                if application is not None:
                    applications.append((found.name, application))
        return applications

    def contribute_jobs(self, project: Project, host_of: Callable[[str], HostContext]) -> list[tuple[str, Job]]:
        """Background and scheduled jobs."""
        from hookspecs.models.host import Job
        from nself_core.plugins.calls import run

        jobs: list[tuple[str, Job]] = []
        for found, call in self._implementing("contribute_jobs"):
            context = host_of(found.name)
            got = run(found, "contribute_jobs", partial(call, project=project, host=context), (Job,))
            jobs += [(found.name, job) for job in got]
        return jobs

    # Permission and choice

    def allow(self, name: str) -> PluginEntry:
        """Allow a plugin's files as they are, and inside a project enable it. ``UserError`` where that cannot be."""
        from nself_core.plugins.choice import allow

        return allow(self, name)

    def choose(self, name: str, enabled: bool) -> PluginEntry:
        """Enable or disable a plugin in the project. ``UserError`` where that cannot be."""
        from nself_core.plugins.choice import choose

        return choose(self, name, enabled)

    def reopened(self) -> PluginManager:
        """The same plugins, judged anew."""
        return PluginManager(self.home, self.root, self.found)

    @cached_property
    def fingerprint(self) -> str:
        """Changes whenever the plugins that take part, or anything of their files, may have changed. No sign of trust."""
        from nself_core.plugins.stamps import fingerprint

        return fingerprint([(found, self._verdict(found)) for found in self._in_use], repr(sorted(self._faults.items())))

    # Inside

    @property
    def _faults(self) -> dict[str, tuple[str, str]]:
        _ = self._in_use  # settles it
        return self._left_out

    @cached_property
    def _in_use(self) -> list[Found]:
        """What the project wants, judged and put in order."""
        there = {found.name for found in self.found}
        for name in sorted(self.lock.pins):
            if self.lock.enabled(name) and name not in there:
                remedy = f"nself plugin install, or nself plugin disable {name}"
                self._leave_out(name, "plugins.lock enables it and it is not installed", remedy)
        wanted = {}
        for found in self.found:
            if found.problem:
                if self._wanted(found):
                    self._leave_out(found.name, found.problem)
            elif self._wanted(found):
                verdict = self._verdict(found)
                if verdict.state.runnable:
                    wanted[found.name] = found
                else:
                    self._leave_out(found.name, verdict.reason, verdict.remedy)
        return self._sorted(self._with_their_needs(wanted))

    def _with_their_needs(self, wanted: dict[str, Found]) -> dict[str, Found]:
        from nself_core.plugins.versions import names_of, outside, unfit

        for name, found in list(wanted.items()):
            if reason := unfit(found.manifest):
                self._leave_out(name, reason, "upgrade nself, or install another version of the plugin")
                del wanted[name]
        for name, found in list(wanted.items()):
            texts = zip(found.depends_on, found.manifest.get("depends_on", ()), strict=True)
            versions = {other: one.manifest["version"] for other, one in wanted.items()}
            for text in [text for other, text in texts if other in versions and outside(text, versions[other])]:
                other = names_of((text,))[0]
                self._leave_out(name, f"it depends on {text} and {versions[other]} is here", f"nself plugin update {other}")
                wanted.pop(name, None)
        while True:
            lacking = {
                name: missing for name, found in wanted.items() if (missing := [n for n in found.depends_on if n not in wanted])
            }
            if not lacking:
                return wanted
            for name, missing in lacking.items():
                self._leave_out(
                    name, f"it depends on {', '.join(missing)}, which takes no part", f"nself plugin status {missing[0]}"
                )
                del wanted[name]

    def _sorted(self, wanted: dict[str, Found]) -> list[Found]:
        order, stuck = in_order({name: found.depends_on for name, found in wanted.items()})
        for name in stuck:
            self._leave_out(name, f"depends_on goes in a circle: {', '.join(stuck)}")
        return [wanted[name] for name in order]

    def _taking_part(self) -> list[Found]:
        return [found for found in self._in_use if found.name not in self._faults]

    def _wanted(self, found: Found) -> bool:
        if found.source == "project":
            pin = self.lock.pins.get(found.name)
            return pin is None or pin.enabled
        return found.source == "core" or self.lock.enabled(found.name)

    def _verdict(self, found: Found) -> Verdict:
        verdict = self._verdicts.get(id(found))
        if verdict is None:
            broken = found.problem and found.source != "core"
            verdict = Verdict(State.UNSIGNED, found.problem) if broken else self.trust.judge(found)
            self._verdicts[id(found)] = verdict
        return verdict

    def _leave_out(self, name: str, reason: str, remedy: str = "") -> None:
        self._left_out.setdefault(name, (reason, remedy))

    def _entry(self, found: Found) -> PluginEntry:
        verdict = self._verdict(found)
        reason, remedy = self._faults.get(found.name, ("", ""))
        if found.problem:
            reason, remedy = found.problem, ""
        elif not reason and not verdict.state.runnable:
            reason, remedy = verdict.reason, verdict.remedy
        return PluginEntry(
            name=found.name,
            version=str(found.manifest.get("version", "")),
            state=verdict.state,
            enabled=self._wanted(found),
            path=found.folder,
            summary=str(found.manifest.get("summary", "")),
            reason=reason,
            manifest=found.manifest,
            source=found.source,
            remedy=remedy,
        )

    @cached_property
    def _registry(self) -> Registry:
        from nself_core.plugins.registry import Registry

        return Registry()

    def _implementing(self, hook: str) -> Iterator[tuple[Found, Callable[..., Any]]]:
        """The plugins that take part and list a hook, imported, with their implementation; who cannot be is left out."""
        from nself_core.plugins.registry import UnusableError

        for found in self._taking_part():
            if hook in found.hooks:
                try:
                    yield found, self._registry.hook(found, self._verdict(found), hook)
                except UnusableError as error:
                    self._leave_out(found.name, str(error))

    def _collect(
        self,
        hook: str,
        arguments: dict[str, Any],
        expected: tuple[type, ...],
        from_data: Callable[[Found], Iterator[Any]] | None = None,
    ) -> list[tuple[str, Any]]:
        """All results, by plugin; all faults that plugins find are told at once."""
        from hookspecs.errors import UserError
        from nself_core.plugins.calls import run

        calls = {found.name: partial(call, **arguments) for found, call in self._implementing(hook)}
        results: list[tuple[str, Any]] = []
        errors: list[UserError] = []
        for found in self._taking_part():
            call: Callable[[], Any] | None = calls.get(found.name)
            if call is None and from_data is not None and hook not in found.hooks:
                call = partial(from_data, found)
            if call is None:
                continue
            try:
                results += [(found.name, result) for result in run(found, hook, call, expected)]
            except UserError as error:
                errors.append(error)
        if len(errors) > 1:
            faults = [fault for error in errors for fault in error.faults()]
            raise UserError(f"{len(faults)} faults in this project", findings=faults, code=faults[0].code) from errors[0]
        if errors:
            raise errors[0]
        return results

    def _one(self, name: str, hook: str) -> tuple[Found, Callable[..., Any]]:
        from hookspecs.errors import UserError
        from nself_core.plugins.registry import UnusableError

        found = next((one for one in self._taking_part() if one.name == name), None)
        if found is None or hook not in found.hooks:
            reason = self.reason(name) or (f"it has no hook {hook}" if found else "it takes no part here")
            raise UserError(
                f"plugin {name} cannot be used: {reason}", remedy=f"nself plugin status {name}", code="plugin-left-out"
            )
        try:
            return found, self._registry.hook(found, self._verdict(found), hook)
        except UnusableError as error:
            self._leave_out(name, str(error))
            raise UserError(f"plugin {name} cannot be used: {error}", where=found.folder, code="plugin-left-out") from error


def _as_list(call: Callable[..., Any], **arguments: Any) -> list[Any]:
    """The one result of a hook that returns no iterable, as a list of one; of none where it returns ``None``."""
    result = call(**arguments)
    return [] if result is None else [result]
