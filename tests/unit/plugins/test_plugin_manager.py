"""One typed face over the plugins: order, faults of one plugin that leave the others alone, data without code."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from hookspecs import Finding, Migration, Offer, Service, UserError
from nself_core.plugins.ordering import in_order

from .conftest import Site

SERVICE = """
from hookspecs import hookimpl

@hookimpl
def contribute_services(project):
    from hookspecs import Image, Service
    yield Service(name="{name}", image=Image(ref="example.org/{name}:1"))
"""


def add_service(site: Site, name: str, **manifest: Any) -> None:
    site.add(name, SERVICE.format(name=name), hooks=["contribute_services"], **manifest)


def services(site: Site, project: Any) -> list[str]:
    return [result.name for _, result in site.open().contribute_services(project)]


def left_out(site: Site, name: str) -> str:
    return site.open().reason(name)


def test_results_stand_in_order_of_dependency_then_name(site: Site, make_project: Any) -> None:
    add_service(site, "alpha", depends_on=["zeta"])
    add_service(site, "zeta")
    add_service(site, "beta")
    site.allow("zeta", "beta", "alpha")
    assert services(site, make_project) == ["beta", "zeta", "alpha"]


def test_the_order_does_not_depend_on_the_order_of_installation() -> None:
    needs = {"d": ["a"], "a": [], "c": ["b", "a"], "b": ["d"]}
    orders = {tuple(in_order(dict(order))[0]) for order in itertools.permutations(needs.items())}
    assert orders == {("a", "d", "b", "c")}


def test_two_installations_give_the_same_bytes(site: Site, make_project: Any) -> None:
    names = ["one", "two", "three", "four"]
    for name in names:
        add_service(site, name)
    seen = []
    for order in (names, names[::-1]):
        (site.project / "plugins.lock").unlink(missing_ok=True)
        (site.home / "allowed.json").unlink(missing_ok=True)
        site.allow(*order)
        seen.append(((site.project / "plugins.lock").read_bytes(), services(site, make_project), site.open().fingerprint))
    assert seen[0] == seen[1]


def test_dependencies_in_a_circle_leave_those_out(site: Site, make_project: Any) -> None:
    add_service(site, "one", depends_on=["two"])
    add_service(site, "two")
    add_service(site, "three")
    manifest = json.loads((path := next(site.folder.glob("*_two")) / "plugin.json").read_text())
    path.write_text(json.dumps({**manifest, "depends_on": ["one"]}))
    site.allow("three")
    for name in ("one", "two"):
        site.allow(name)
    assert "in a circle: one, two" in left_out(site, "one")
    assert services(site, make_project) == ["three"]


def test_a_dependency_that_takes_no_part_is_told(site: Site, make_project: Any) -> None:
    add_service(site, "needy", depends_on=["absent"])
    add_service(site, "user", depends_on=["needy"])
    site.allow("needy", "user")
    assert left_out(site, "needy") == "it depends on absent, which takes no part"
    assert left_out(site, "user") == "it depends on needy, which takes no part"


def test_a_newer_nself_is_asked_for(site: Site) -> None:
    add_service(site, "modern", min_nself="99.0")
    site.allow("modern")
    assert "needs nself 99.0" in left_out(site, "modern")


HOOK = "from hookspecs import hookimpl\n"
BROKEN = {
    "raises on import": ("raise RuntimeError('no luck')", "cannot be imported: RuntimeError: no luck"),
    "exits on import": ("raise SystemExit(3)", "cannot be imported: SystemExit: 3"),
    "syntax": ("def", "cannot be imported: SyntaxError"),
    "unknown hook": (
        HOOK + "@hookimpl\ndef contribute_service(project): return []\n@hookimpl\ndef contribute_services(project): return []",
        "'contribute_service', which this version does not know",
    ),
    "wrong arguments": (HOOK + "@hookimpl\ndef contribute_services(project, colour): return []", "colour"),
    "wrapper": (HOOK + "@hookimpl(wrapper=True)\ndef contribute_services(project):\n    yield", "marked as a wrapper"),
    "tryfirst": (HOOK + "@hookimpl(tryfirst=True)\ndef contribute_services(project): return []", "tryfirst"),
    "not listed": (
        HOOK + "@hookimpl\ndef contribute_services(project): return []\n@hookimpl\ndef migrate_schema(project): return []",
        "implements migrate_schema, which `hooks`",
    ),
    "not implemented": ("", "lists contribute_services, which its code does not implement"),
    "not marked": ("def contribute_services(project): return []", "lists contribute_services"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_plugin_is_left_out_and_the_others_go_on(site: Site, make_project: Any, case: str) -> None:
    code, told = BROKEN[case]
    site.add("broken", code, hooks=["contribute_services"])
    add_service(site, "sound")
    manager = site.allow("broken", "sound")
    assert [plugin for plugin, _ in manager.contribute_services(make_project)] == ["sound"]
    assert told in manager.reason("broken")
    finding = next(finding for finding in manager.findings if finding.code == "plugin-left-out" and "broken" in finding.message)
    assert finding.level == "warning"
    assert "broken" not in manager.names()


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("    raise KeyError('gone')", "failed in contribute_services: KeyError: 'gone'"),
        ("    yield from ()\n    1 / 0", "ZeroDivisionError"),
        ("    return [42]", "it gave a int where Service or Route or CertificateRequest is due"),
        ("    from hookspecs import Service\n    return Service(name='x')", "must return an iterable"),
        ("    from hookspecs import Service\n    return [Service(name='No Label')]", "no DNS label"),
        ("    return 42", "not iterable"),
    ],
)
def test_a_failing_hook_names_plugin_and_hook(site: Site, make_project: Any, body: str, told: str) -> None:
    site.add("failing", f"{HOOK}@hookimpl\ndef contribute_services(project):\n{body}\n", hooks=["contribute_services"])
    manager = site.allow("failing")
    with pytest.raises(UserError, match="plugin failing failed in contribute_services") as caught:
        manager.contribute_services(make_project)
    assert told in caught.value.message
    assert "nself plugin disable failing" in caught.value.remedy


def test_a_plugins_own_user_error_passes(site: Site, make_project: Any) -> None:
    code = (
        f"{HOOK}from hookspecs import UserError\n@hookimpl\ndef contribute_services(project):\n    raise UserError('mend it')\n"
    )
    site.add("strict", code, hooks=["contribute_services"])
    with pytest.raises(UserError, match="mend it") as caught:
        site.allow("strict").contribute_services(make_project)
    assert caught.value.where == "plugin strict"


def test_only_plugins_that_list_the_hook_are_imported(site: Site, make_project: Any) -> None:
    site.add("quiet", "raise RuntimeError('imported')", hooks=["render_config"])
    manager = site.allow("quiet")
    manager.contribute_services(make_project)
    assert manager.reason("quiet") == ""


def test_data_alone_contributes_services_and_migrations(site: Site, make_project: Any) -> None:
    folder = site.add("data", services=[{"name": "data", "image": {"ref": "example.org/data:1"}, "ports": [{"container": 80}]}])
    (folder / "schema").mkdir()
    for name, text in (("002_more.sql", "SELECT 2"), ("001_initial.sql", "SELECT 1"), ("001_initial.down.sql", "SELECT 0")):
        (folder / "schema" / name).write_text(text)
    manager = site.allow("data")
    ((_, service),) = manager.contribute_services(make_project)
    assert isinstance(service, Service)
    assert service.ports[0].container == 80
    assert manager.migrate_schema(make_project) == [
        ("data", Migration(id="001_initial", up="SELECT 1", down="SELECT 0")),
        ("data", Migration(id="002_more", up="SELECT 2")),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [("{", "Invalid JSON"), ('{"np_data_a": {}}', "valid array"), ('[{"table": "np_data_a"}]', r"0.name: Field required")],
)
def test_a_list_of_tables_that_is_none_is_named_by_its_file(site: Site, make_project: Any, text: str, told: str) -> None:
    folder = site.add("data")
    (folder / "schema").mkdir()
    (folder / "schema" / "001_initial.sql").write_text("SELECT 1")
    (folder / "schema" / "graphql.json").write_text(text)
    manager = site.allow("data")
    with pytest.raises(UserError, match=told) as caught:
        manager.migrate_schema(make_project)
    assert caught.value.where == str(folder / "schema" / "graphql.json")


def test_a_service_that_is_none_is_an_error_with_the_plugins_name(site: Site, make_project: Any, tmp_path: Path) -> None:
    site.add("data", services=[{"name": "data", "immage": "x"}])
    with pytest.raises(UserError, match="manifest of plugin data is not valid") as caught:
        site.allow("data")
    assert "immage" in caught.value.findings[0].where
    folder = tmp_path / "linked"  # nothing is checked of a folder that changes at will
    folder.mkdir()
    service = {"name": "mine", "version": "1.0.0", "summary": "x", "services": [{"name": "data", "immage": "x"}]}
    (folder / "plugin.json").write_text(json.dumps(service))
    (site.home / "plugins").mkdir(parents=True)
    (site.home / "plugins" / "mine").symlink_to(folder)
    (site.project / "plugins.lock").write_text('{"plugins": {"mine": {"enabled": true, "version": "1.0.0", "hash": ""}}}')
    with pytest.raises(UserError, match=r"plugin mine failed in contribute_services.*immage"):
        site.open().contribute_services(make_project)


def test_every_hook_has_its_method(site: Site, make_project: Any) -> None:
    code = HOOK + "\n".join(
        [
            "from hookspecs import File, Finding, Job, Offer, WebhookResult",
            "@hookimpl\ndef render_config(project, stack): return [File(path='a', content='b')]",
            "@hookimpl\ndef pre_deploy(target): return [Finding(level='note', message=target)]",
            "@hookimpl\ndef provide_runtime():"
            "\n    return Offer(name='x', available=False, load='a:B', addressing='names', priority=1)",
            "@hookimpl\nasync def handle_webhook(event): return WebhookResult(detail=event)",
            "@hookimpl\ndef contribute_routes(host): return ('app', host)",
            "async def work(): ...",
            "@hookimpl\ndef contribute_jobs(host): yield Job(name=host, run=work)",
        ]
    )
    hooks = ["render_config", "pre_deploy", "provide_runtime", "handle_webhook", "contribute_routes", "contribute_jobs"]
    site.add("full", code, hooks=hooks)
    manager = site.allow("full")
    assert [(name, file.path) for name, file in manager.render_config(make_project, None)] == [("full", "a")]  # type: ignore[arg-type]
    assert manager.pre_deploy(make_project, "prod", None) == [("full", Finding(level="note", message="prod"))]  # type: ignore[arg-type]
    ((_, offer),) = manager.provide_runtime(None)
    assert isinstance(offer, Offer)
    assert manager.contribute_routes(make_project, lambda name: f"host of {name}") == [("full", ("app", "host of full"))]  # type: ignore[arg-type,return-value]
    assert [job.name for _, job in manager.contribute_jobs(make_project, lambda name: name)] == ["full"]  # type: ignore[arg-type,return-value]


async def test_a_webhook_goes_to_the_addressed_plugin_alone(site: Site) -> None:
    for name in ("one", "two"):
        code = f"{HOOK}from hookspecs import WebhookResult\n@hookimpl\nasync def handle_webhook(event):"
        site.add(name, f"{code}\n    return WebhookResult(detail='{name} ' + event)\n", hooks=["handle_webhook"])
    manager = site.allow("one", "two")
    result = await manager.handle_webhook("two", "paid", None)  # type: ignore[arg-type]
    assert result.detail == "two paid"
    with pytest.raises(UserError, match="plugin three cannot be used"):
        await manager.handle_webhook("three", "paid", None)  # type: ignore[arg-type]


def test_hook_calls_are_traced_on_wish(
    site: Site, make_project: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    add_service(site, "traced")
    manager = site.allow("traced")
    manager.contribute_services(make_project)
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("NSELF_TRACE_HOOKS", "1")
    manager.contribute_services(make_project)
    assert "hook contribute_services traced done" in capsys.readouterr().err


def test_disabled_is_left_out_without_a_word_of_fault(site: Site, make_project: Any) -> None:
    add_service(site, "sometimes")
    site.allow("sometimes")
    assert services(site, make_project) == ["sometimes"]
    site.open().choose("sometimes", False)
    assert services(site, make_project) == []
    assert left_out(site, "sometimes") == ""
    assert any("without effect: sometimes" in finding.message for finding in site.open().findings)
    site.open().choose("sometimes", True)
    assert services(site, make_project) == ["sometimes"]


def test_what_the_lock_enables_and_nobody_installed_is_told(site: Site) -> None:
    lock = {"format": 1, "plugins": {"ghost": {"enabled": True, "hash": "", "version": "1.0.0"}}}
    (site.project / "plugins.lock").write_text(json.dumps(lock))
    assert left_out(site, "ghost") == "plugins.lock enables it and it is not installed"
    site.open().choose("ghost", False)
    assert left_out(site, "ghost") == ""


def test_other_content_than_the_project_enabled_is_told(site: Site) -> None:
    add_service(site, "shared")
    site.allow("shared")
    place = site.project / "plugins.lock"
    lock = json.loads(place.read_text())
    lock["plugins"]["shared"].update(version="0.9.0", hash="sha256:of-a-colleague")
    place.write_text(json.dumps(lock))
    told = {finding.code: finding for finding in site.open().findings}
    assert "shared 0.9.0 with other files than those of 1.0.0 here" in told["plugin-differs"].message
    site.open().choose("shared", True)
    assert site.open().findings == []


def test_a_broken_lock_is_one_clear_error(site: Site) -> None:
    (site.project / "plugins.lock").write_text("{")
    with pytest.raises(UserError, match="list of plugins cannot be read") as caught:
        site.open()
    assert caught.value.where.endswith("plugins.lock")


def test_a_plugin_that_may_not_be_loaded_cannot_be_enabled(site: Site) -> None:
    add_service(site, "stranger")
    with pytest.raises(UserError, match="may not be loaded") as caught:
        site.open().choose("stranger", True)
    assert caught.value.remedy == "nself plugin allow stranger"


def test_ours_can_neither_be_allowed_nor_disabled(site_with_ours: Site) -> None:
    site = site_with_ours
    name = next(entry.name for entry in site.open().known() if entry.source == "core" and entry.usable)
    with pytest.raises(UserError, match="part of nself"):
        site.open().allow(name)
    with pytest.raises(UserError, match="always enabled"):
        site.open().choose(name, False)


def test_a_name_nobody_has_brings_the_nearest(site: Site) -> None:
    add_service(site, "weather")
    with pytest.raises(UserError, match="no plugin 'wether'") as caught:
        site.open().allow("wether")
    assert caught.value.remedy == "did you mean weather?"


def test_the_fingerprint_follows_what_takes_part(site: Site) -> None:
    add_service(site, "one")
    add_service(site, "two")
    before = site.open().fingerprint
    site.allow("one")
    after = site.open().fingerprint
    assert before != after
    next(site.folder.glob("*_two")).joinpath("more.txt").write_text("not enabled: of no matter")
    assert site.open().fingerprint == after
