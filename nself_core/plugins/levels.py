"""How far a plugin is, as levels that are computed by running it: what it says of itself does not count.

A level is reached when its rule and those of every level before it are met. A rule that has nothing to look at (no tables, no
routes) is exempt, with the reason.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from hookspecs.client import HOST
from hookspecs.models.base import Model
from hookspecs.trial import PluginStack, make_project
from nself_core.plugins.hashing import hash_files, total
from nself_core.plugins.keys import keygen
from nself_core.plugins.manifest import MANIFEST
from nself_core.plugins.publishers import Publishers
from nself_core.plugins.signing import SIGNATURE, SignatureError, read_signature, sign, verify


class RuleResult(Model):
    """One rule: ``done``, ``missing`` with what is wrong, or ``exempt`` with why."""

    level: int
    name: str
    outcome: Literal["done", "missing", "exempt"]
    reason: str = ""


class Report(Model):
    """The level of a plugin's very files. ``hash`` is of those files, as a registry compares it."""

    name: str
    version: str
    hash: str
    level: int
    rules: tuple[RuleResult, ...]


class Missing(Exception):  # noqa: N818  the word of the report
    """A rule is not met, with what is wrong."""


class Exempt(Exception):  # noqa: N818  the word of the report
    """A rule has nothing to look at, with why."""


class _Plugin(NamedTuple):
    folder: Path
    package: Path
    manifest: dict[str, Any]

    def has(self, *hooks: str) -> bool:
        return bool(set(hooks) & set(self.manifest.get("hooks", ())))

    @property
    def in_host(self) -> bool:
        return self.has("contribute_routes", "contribute_jobs", "handle_webhook") or bool(self.manifest.get("webhooks"))

    @property
    def has_tables(self) -> bool:
        return bool(self.manifest.get("tables")) and (self.has("migrate_schema") or (self.package / "schema").is_dir())


def check(folder: Path, say: Callable[[str], None] = lambda line: None) -> Report:
    """Run the plugin in a project of its own and judge it; ``say`` is told what is being done.

    ``UserError`` where ``folder`` holds no plugin.
    """
    plugin = _read(folder.resolve())  # the project it is tried in is another working folder
    with tempfile.TemporaryDirectory(prefix="nself-check-") as place:
        results = list(_judge(plugin, Path(place), say))
    reached = 0
    for result in results:
        if result.outcome == "missing":
            break
        reached = result.level
    return Report(
        name=plugin.manifest["name"],
        version=plugin.manifest["version"],
        hash=total(hash_files(str(plugin.package), compiled=True)),
        level=reached,
        rules=tuple(results),
    )


def _read(folder: Path) -> _Plugin:
    from hookspecs.errors import UserError

    packages = [folder / MANIFEST, *sorted(folder.glob(f"*/{MANIFEST}"))]
    found = next((path for path in packages if path.is_file()), None)
    if found is None:
        raise UserError("there is no plugin.json here", where=str(folder), remedy="name the plugin's folder", code="no-plugin")
    try:
        manifest = json.loads(found.read_text(encoding="utf-8"))
        manifest["name"], manifest["version"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"plugin.json cannot be read: {error!r}", where=str(found), code="plugin-manifest") from None
    top = found.parent if found.parent != folder else folder.parent
    return _Plugin(top if (top / "pyproject.toml").is_file() else folder, found.parent, manifest)


def _judge(plugin: _Plugin, place: Path, say: Callable[[str], None]) -> Iterator[RuleResult]:
    """The rules in turn; what needs a stack is skipped where it does not even install."""
    rules: tuple[tuple[str, Callable[[_Plugin, PluginStack], None]], ...] = (
        ("installs", _installs),
        ("verifies", _verifies),
        ("migrates and undoes", _migrates),
        ("serves", _serves),
        ("survives restarts", _survives),
        ("backs up and restores", _restores),
        ("documented", _documented),
        ("no warnings", _quiet),
    )
    stack: PluginStack | None = None
    try:
        say("making a project with the plugin in it …")
        stack = make_project(place, plugin.package, _settings(plugin))
    except AssertionError as error:
        yield RuleResult(level=1, name=rules[0][0], outcome="missing", reason=_last(str(error)))
        for number, (name, _) in enumerate(rules[1:], 2):
            yield RuleResult(level=number, name=name, outcome="missing", reason="it does not install")
        return
    try:
        for number, (name, rule) in enumerate(rules, 1):
            say(f"{number} {name} …")
            yield _outcome(number, name, rule, plugin, stack)
    finally:
        stack.cli("destroy", "--yes", check=False)


def _outcome(
    level: int, name: str, rule: Callable[[_Plugin, PluginStack], None], plugin: _Plugin, stack: PluginStack
) -> RuleResult:
    try:
        rule(plugin, stack)
    except Exempt as exempt:
        return RuleResult(level=level, name=name, outcome="exempt", reason=str(exempt))
    except Missing as missing:
        return RuleResult(level=level, name=name, outcome="missing", reason=str(missing))
    except Exception as error:  # a command that failed, a database that refused: the plugin's doing all the same
        return RuleResult(level=level, name=name, outcome="missing", reason=_last(str(error)) or type(error).__name__)
    return RuleResult(level=level, name=name, outcome="done")


def _last(text: str) -> str:
    """The line that says what is wrong: the first that begins with ``error:``, else the last."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line.removeprefix("error: ") for line in lines if line.startswith("error:")), lines[-1] if lines else "")[:300]


def _settings(plugin: _Plugin) -> dict[str, str]:
    """A value for each required setting and each secret of a webhook, so that the plugin can start and take events.

    Other secrets stay unset, as with a user who gave none: one of them may be the address of another database.
    """
    made = {}
    signing = {webhook.get("secret") for webhook in plugin.manifest.get("webhooks", ())}
    for setting in plugin.manifest.get("settings", ()):
        if setting.get("default") or setting.get("unused") or "{" in setting["name"]:
            continue
        if setting.get("required") or setting["name"] in signing:
            made[setting["name"]] = setting.get("example") or "whsec_" + "bm90LWEtcmVhbC1zZWNyZXQtb25seS1hLWNoZWNr"
    return made


# The rules


def _installs(plugin: _Plugin, stack: PluginStack) -> None:
    stack.cli("build")
    stack.cli("start", "--runtime", "native", "--timeout", "500", timeout=600)  # how fast it is, is no question here


def _verifies(plugin: _Plugin, stack: PluginStack) -> None:
    """With a key of its own: signed it verifies, with one byte more it does not."""
    with tempfile.TemporaryDirectory(prefix="nself-check-") as place:
        home, copy = Path(place) / "home", Path(place) / plugin.package.name
        shutil.copytree(plugin.package, copy, ignore=shutil.ignore_patterns("__pycache__", SIGNATURE))
        publisher = plugin.manifest.get("publisher")
        if not publisher:
            raise Missing("plugin.json names no publisher, so nobody can sign for it")
        sign(copy, keygen(home, publisher))
        if not _believed(copy, home):
            raise Missing("signed, it does not verify")
        with (copy / MANIFEST).open("a", encoding="utf-8") as file:
            file.write(" ")
        if _believed(copy, home):
            raise Missing("a changed byte is not noticed")


def _believed(copy: Path, home: Path) -> bool:
    signature = read_signature(copy)
    manifest = json.loads((copy / MANIFEST).read_text(encoding="utf-8"))
    try:
        return signature is not None and bool(verify(signature, manifest, hash_files(str(copy)), Publishers(home)))
    except (SignatureError, ValueError):
        return False


def _tables(stack: PluginStack, plugin: _Plugin) -> set[str]:
    prefix = f"np_{plugin.manifest['name'].replace('-', '_')}_"
    rows = stack.sql(
        "SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm') AND starts_with(relname, $1)", prefix
    )
    return {row[0] for row in rows}


def _migrates(plugin: _Plugin, stack: PluginStack) -> None:
    name = plugin.manifest["name"]
    if not plugin.has_tables:
        raise Exempt("it has no tables")
    if not plugin.manifest["tables"]:
        raise Missing("it makes tables and `tables` in plugin.json lists none")
    before = _tables(stack, plugin)
    lacking = set(plugin.manifest["tables"]) - before
    if lacking:
        raise Missing(f"`tables` lists {', '.join(sorted(lacking))}, which its migrations do not make")
    stack.cli("plugin", "migrate", "down", name, "--all", "--yes")
    left = _tables(stack, plugin)
    if left:
        raise Missing(f"undone, it leaves {', '.join(sorted(left))}")
    stack.cli("plugin", "migrate", "up")
    if _tables(stack, plugin) != before:
        raise Missing("made again, its tables are others")


def _serves(plugin: _Plugin, stack: PluginStack) -> None:
    bad = [one for one in stack.json("status")["services"] if one["health"] == "unhealthy" or one["status"] == "failed"]
    if bad:
        raise Missing(f"{bad[0]['name']} is not healthy: {bad[0].get('reason') or bad[0]['status']}")
    if not plugin.in_host:
        if not plugin.has("contribute_services", "render_config", "pre_deploy", "register_commands", "provide_runtime"):
            raise Exempt("it has nothing that serves")
        return
    state = stack.plugin_state()
    if state.get("status") != "serving":
        raise Missing(f"the Host does not serve it: {state.get('reason') or state.get('status')}")
    if plugin.has("contribute_routes") and stack.anonymous.get("").status_code not in {401, 404}:
        raise Missing("a path answers without a token, and `permissions.public` does not name it")


def _rows(stack: PluginStack, plugin: _Plugin) -> dict[str, str]:
    """Each table with a hash of its rows."""
    kinds = dict(
        stack.sql("SELECT relname::text, relkind::text FROM pg_class WHERE relname = ANY($1)", plugin.manifest["tables"])
    )
    found = {}
    for table in plugin.manifest["tables"]:
        if kinds.get(table) in {"r", "p"}:
            query = f"SELECT md5(coalesce(string_agg(t::text, chr(10) ORDER BY t::text), '')) FROM \"{table}\" t"  # noqa: S608
            found[table] = str(stack.sql(query)[0][0])
    return found


def _survives(plugin: _Plugin, stack: PluginStack) -> None:
    before = _rows(stack, plugin) if plugin.has_tables else {}
    there = {one["name"] for one in stack.json("status")["services"]}
    names = [name for name in (plugin.manifest["name"], *((HOST,) if plugin.in_host else ())) if name in there]
    if not names:
        raise Exempt("nothing of it runs")
    for service in names:
        _kill(stack, service)
    if plugin.in_host:
        stack.until(lambda: stack.plugin_state().get("status") == "serving", 60)
    if plugin.has_tables and _rows(stack, plugin) != before:
        raise Missing("after a kill its tables hold other rows")


def _kill(stack: PluginStack, service: str) -> None:
    def now() -> dict[str, Any]:
        return next(one for one in stack.json("status")["services"] if one["name"] == service)

    pid = now()["container_id"]
    os.kill(int(pid), signal.SIGKILL)
    try:
        stack.until(lambda: (state := now())["health"] == "healthy" and state["container_id"] != pid, 90)
    except AssertionError:
        raise Missing(f"{service} does not come back after a kill") from None


def _restores(plugin: _Plugin, stack: PluginStack) -> None:
    if not plugin.has_tables:
        raise Exempt("it has no tables")
    before = _rows(stack, plugin)
    dump = stack.dump(before)
    name = plugin.manifest["name"]
    stack.cli("plugin", "migrate", "down", name, "--all", "--yes")
    stack.cli("plugin", "migrate", "up")
    stack.load(dump)
    if _rows(stack, plugin) != before:
        raise Missing("restored, its tables hold other rows")


def _documented(plugin: _Plugin, stack: PluginStack) -> None:
    readme = next((plugin.folder / name for name in ("README.md", "README.rst") if (plugin.folder / name).is_file()), None)
    if readme is None:
        raise Missing("it has no README.md beside its pyproject.toml")
    if len(readme.read_text(encoding="utf-8").split()) < 40:
        raise Missing("its README says next to nothing")
    for command in plugin.manifest.get("commands", ()):
        _check_help(stack, command["name"])
    if plugin.has("contribute_routes"):
        described = stack.http.get("openapi.json")
        paths = described.json().get("paths", {}) if described.status_code == 200 else {}
        bare = [
            f"{method.upper()} {path}"
            for path, methods in paths.items()
            for method, operation in methods.items()
            if not operation.get("description") and not operation.get("summary")
        ]
        if not paths:
            raise Missing("its routes are described nowhere: openapi.json has no paths")
        if bare:
            raise Missing(f"{bare[0]} has no description")


def _check_help(stack: PluginStack, *words: str) -> None:
    text = stack.cli(*words, "--help").stdout
    inner = re.findall(r"^  ([a-z][a-z0-9-]*)(?:  .*)?$", text.partition("Commands:")[2], re.M) if "Commands:" in text else []
    for word in inner:
        _check_help(stack, *words, word)
    if not inner and f"nself {' '.join(words)}" not in text.partition("Examples:")[2]:
        raise Missing(f"the help of `nself {' '.join(words)}` has no example")


def _quiet(plugin: _Plugin, stack: PluginStack) -> None:
    name = plugin.manifest["name"]
    for command in (("build", "--dry-run"), ("plugin", "status", name)):
        done = stack.cli(*command, check=False)
        told = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("warning:") and name in line]
        if told:
            raise Missing(told[0])
    if plugin.in_host:
        said = [line for line in stack.log(400).splitlines() if '"level": "error"' in line and f"plugin {name}" in line]
        if said:
            raise Missing(f"the Host reports an error of it: {said[0][:200]}")
