"""The hooks, their documentation page and our own plugins agree to the letter."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pluggy
import pytest
from click.testing import CliRunner

import hookspecs
from hookspecs import Environment, File, Finding, Job, Manifest, Migration, Offer, Project, Route, Service, Settings, specs
from hookspecs.models.manifest import Setting
from nself_core.plugins.index import load as discover
from nself_core.plugins.manager import PluginManager
from nself_core.plugins.manifest import FIELDS, SETTING_FIELDS
from nself_core.plugins.model import Found

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reference" / "hooks.md").read_text()
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S))


def spelling(hook: str) -> str:
    function = getattr(specs, hook)
    arguments = ", ".join(inspect.signature(function).parameters)
    return f"{'async ' if inspect.iscoroutinefunction(function) else ''}{hook}({arguments})"


def section(hook: str) -> str:
    return SECTIONS[spelling(hook)]


def test_the_tuple_of_hooks_names_every_specification() -> None:
    marked = [name for name, value in vars(specs).items() if callable(value) and hasattr(value, "nself_spec")]
    assert list(specs.HOOKS) == marked
    assert len(specs.HOOKS) == 9


def test_each_hook_has_a_heading_with_its_exact_arguments() -> None:
    assert list(SECTIONS) == [spelling(hook) for hook in specs.HOOKS]


@pytest.mark.parametrize("hook", specs.HOOKS)
def test_each_section_tells_arguments_result_errors_and_an_example(hook: str) -> None:
    text = section(hook)
    named = re.findall(r"^\| `(\w+)` \|", text, re.M)
    assert named == list(inspect.signature(getattr(specs, hook)).parameters)
    assert "**Returns**" in text
    assert "**Raises**" in text
    assert text.count("```python") == 1


@pytest.mark.parametrize("hook", specs.HOOKS)
def test_each_section_names_every_model_the_hook_may_return(hook: str) -> None:
    annotation = str(inspect.signature(getattr(specs, hook)).return_annotation)
    models = [name for name in re.findall(r"[A-Z]\w+", annotation) if name in hookspecs.__all__]
    returns = re.search(r"\*\*Returns\*\*(.*?)\n\n", section(hook), re.S)
    assert returns is not None
    assert [name for name in models if f"`{name}`" not in returns[1]] == []


@pytest.mark.parametrize("hook", specs.HOOKS)
def test_no_hook_is_ordered_by_hand(hook: str) -> None:
    options = getattr(specs, hook).nself_spec
    assert not options["firstresult"]
    assert not options["historic"]
    assert "Example::" in (getattr(specs, hook).__doc__ or "")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(
        name="demo", root=tmp_path, environment=Environment(name="dev", cls="dev"), runtime="compose",
        settings=Settings(entries={}), domain="example.org",
    )  # fmt: skip


class _Pool:
    def __init__(self) -> None:
        self.executed: list[str] = []

    async def execute(self, statement: str, *arguments: Any) -> None:
        self.executed.append(statement)


def _example(hook: str) -> Callable[..., Any]:
    """The documented implementation, registered the way a plugin's is."""
    code = re.search(r"```python\n(.*?)```", section(hook), re.S)
    assert code is not None
    module = types.ModuleType(f"example_of_{hook}")
    exec(compile(code[1], f"hooks.md#{hook}", "exec"), module.__dict__)
    manager = pluggy.PluginManager(hookspecs.PROJECT_NAME)
    manager.add_hookspecs(specs)
    manager.register(module)
    manager.check_pending()
    function: Callable[..., Any] = getattr(module, hook)
    return function


def test_the_example_of_contribute_services(project: Project) -> None:
    service, route = _example("contribute_services")(project)
    assert isinstance(service, Service)
    assert isinstance(route, Route)
    assert route.host == "hello.example.org"


def test_the_example_of_render_config(project: Project) -> None:
    (file,) = _example("render_config")(project, None)
    assert isinstance(file, File)
    assert file.content == "domain = example.org\n"


def test_the_example_of_pre_deploy(project: Project) -> None:
    check = _example("pre_deploy")
    assert list(check(project, "local", None)) == []
    (finding,) = check(project, "prod", None)
    assert isinstance(finding, Finding)
    (project.root / "licence.key").touch()
    assert list(check(project, "prod", None)) == []


def test_the_example_of_migrate_schema(project: Project) -> None:
    (migration,) = _example("migrate_schema")(project)
    assert isinstance(migration, Migration)


def test_the_example_of_handle_webhook() -> None:
    pool = _Pool()
    host = types.SimpleNamespace(pool=pool)
    handle = _example("handle_webhook")
    sent = asyncio.run(handle(types.SimpleNamespace(type="greeting.sent", id="1"), host))
    other = asyncio.run(handle(types.SimpleNamespace(type="other", id="2"), host))
    assert (sent.handled, other.handled, len(pool.executed)) == (True, False, 1)


def test_the_example_of_provide_runtime() -> None:
    offer = _example("provide_runtime")(None)
    assert isinstance(offer, Offer)
    assert offer.reason


def test_the_example_of_register_commands() -> None:
    group = click.Group()
    _example("register_commands")(group)
    assert CliRunner().invoke(group, ["greet", "--name", "you"]).output == "hello, you\n"


def test_the_example_of_contribute_routes(project: Project) -> None:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(_example("contribute_routes")(project, None)({}, None, send))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]


def test_the_example_of_contribute_jobs(project: Project) -> None:
    pool = _Pool()
    (job,) = _example("contribute_jobs")(project, types.SimpleNamespace(pool=pool))
    assert isinstance(job, Job)
    asyncio.run(job.run())
    assert pool.executed


# Our own plugins: what disables a stranger's plugin is fatal here.


def ours(home: Path) -> list[Found]:
    return [found for found in discover(home) if found.source == "core"]


def test_every_built_in_is_there_and_sound(own_home: Path) -> None:
    assert {found.name: found.problem for found in ours(own_home) if found.problem} == {}


def test_every_built_in_registers_with_exactly_the_hooks_it_lists(own_home: Path) -> None:
    manager = PluginManager.open(own_home, None)
    for found in ours(own_home):
        for hook in found.hooks:
            assert callable(manager._registry.hook(found, manager._verdict(found), hook))
    assert manager._faults == {}
    manager._registry._pluggy.check_pending()


def test_every_built_ins_manifest_keeps_to_the_model(own_home: Path) -> None:
    for found in ours(own_home):
        manifest = Manifest.model_validate_json((Path(found.folder) / "plugin.json").read_bytes())
        assert manifest.tier == "core", found.name
        assert manifest.name.startswith("core-"), found.name


def test_the_check_at_start_up_knows_the_fields_of_the_model() -> None:
    assert set(Manifest.model_fields) | {"$schema"} == FIELDS
    assert set(Setting.model_fields) == SETTING_FIELDS


def test_every_setting_is_declared_once(own_home: Path) -> None:
    core = json.loads((ROOT / "nself_core" / "core.json").read_text())
    owners: dict[str, list[str]] = {}
    for manifest in (core, *(found.manifest for found in ours(own_home))):
        for setting in manifest.get("settings", ()):
            owners.setdefault(setting["name"], []).append(manifest["name"])
    assert {name: who for name, who in owners.items() if len(who) > 1} == {}


def test_every_top_level_word_is_claimed_once(own_home: Path) -> None:
    from nself_core.cli.table import BY_WORD

    words: dict[str, list[str]] = {word: ["the core"] for word in BY_WORD}
    for found in ours(own_home):
        for command in found.manifest.get("commands", ()):
            words.setdefault(command["name"], []).append(found.name)
    assert {word: who for word, who in words.items() if len(who) > 1} == {}
