"""Plugins on the command line: the words they get, and what `nself plugin` does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Nself

CODE = """
import os
from pathlib import Path
from hookspecs import hookimpl
if mark := os.environ.get("MARK"):
    Path(mark).write_text("imported")

@hookimpl
def register_commands(cli):
    import click
    for name in {names!r}:
        cli.add_command(click.Command(name, help="From the code.", callback=lambda n=name: click.echo("ran " + n)))
"""


def install(site: Path, name: str, declared: list[str], registered: list[str] | None = None, **manifest: Any) -> Path:
    package = site / f"nself_plugin_{name.replace('-', '_')}"
    package.mkdir(parents=True)
    content = {
        "name": name, "version": "1.2.3", "summary": f"The {name} plugin.", "hooks": ["register_commands"],
        "commands": [{"name": word, "help": f"From the manifest: {word}."} for word in declared], **manifest,
    }  # fmt: skip
    (package / "plugin.json").write_text(json.dumps(content))
    (package / "__init__.py").write_text(CODE.format(names=declared if registered is None else registered))
    info = site / f"{package.name}-1.2.3.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_text(f"[nself.plugins]\n{name} = {package.name}\n")
    return package


@pytest.fixture
def site(nself: Nself, tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    nself.environ["PYTHONPATH"] = str(folder)
    nself.environ["MARK"] = str(tmp_path / "mark")
    (nself.folder / ".env").touch()
    return folder


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "mark"


def test_words_come_from_the_manifest_and_code_only_when_asked_for(nself: Nself, site: Path, mark: Path) -> None:
    install(site, "weather", ["now", "tomorrow"])
    assert "weather" not in nself("--help").stdout
    refused = nself("weather", "now", check=False)
    assert refused.returncode == 2
    nself("plugin", "allow", "weather")
    assert "  weather  The weather plugin." in nself("--help").stdout
    assert "From the manifest: tomorrow." in nself("weather", "--help").stdout
    assert not mark.exists()
    assert nself("weather", "now").stdout == "ran now\n"
    assert mark.exists()
    assert nself("weather", "later", check=False).returncode == 2


def test_a_plugins_words_end_at_the_project(nself: Nself, site: Path, tmp_path: Path) -> None:
    install(site, "weather", ["now"])
    nself("plugin", "allow", "weather")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert nself("weather", "now", cwd=elsewhere, check=False).returncode == 2


def test_a_single_command_of_the_plugins_name_is_the_word(nself: Nself, site: Path) -> None:
    install(site, "weather", ["weather"])
    nself("plugin", "allow", "weather")
    assert nself("weather").stdout == "ran weather\n"
    assert "From the code." in nself("weather", "--help").stdout


def test_the_cores_words_are_not_given_away(nself: Nself, site: Path) -> None:
    install(site, "build", ["now"])
    nself("plugin", "allow", "build")
    assert nself("build", "now", check=False).returncode == 2
    assert nself("plugin", "run", "build", "now").stdout == "ran now\n"
    assert "From the manifest: now." in nself("plugin", "run", "build").stdout


def test_a_command_that_is_declared_and_not_registered(nself: Nself, site: Path) -> None:
    install(site, "weather", ["now", "gone"], ["now"])
    nself("plugin", "allow", "weather")
    done = nself("weather", "gone", check=False)
    assert done.returncode == 1
    assert "declares the command 'gone' and does not register it" in done.stderr


def test_list_and_status_in_json(nself: Nself, site: Path) -> None:
    package = install(site, "weather", ["now"])
    (entry,) = json.loads(nself("plugin", "list", "--others", "--json").stdout)
    assert entry == {
        "name": "weather", "publisher": "", "version": "1.2.3", "state": "unsigned", "installed": True, "enabled": False,
        "in_use": False, "tier": "free", "bundles": [],
        "reason": "nobody has signed it and you have not allowed it", "remedy": "nself plugin allow weather",
        "summary": "The weather plugin.", "source": "entry-point", "path": str(package),
        "hooks": ["register_commands"], "commands": ["now"], "depends_on": [],
    }  # fmt: skip
    allowed = json.loads(nself("plugin", "allow", "weather", "--json").stdout)
    assert (allowed["state"], allowed["enabled"], allowed["in_use"], allowed["reason"]) == ("allowed", True, True, "")
    assert json.loads(nself("plugin", "status", "weather", "--json").stdout).items() >= allowed.items()
    names = [one["name"] for one in json.loads(nself("plugin", "list", "--json").stdout)]
    assert names == sorted(names)
    assert "core-custom" in names


def test_a_changed_file_shows_everywhere(nself: Nself, site: Path, mark: Path) -> None:
    package = install(site, "weather", ["now"])
    nself("plugin", "allow", "weather")
    (package / "__init__.py").write_text((package / "__init__.py").read_text() + "\n")
    assert "__init__.py changed" in nself("plugin", "status").stdout
    assert "modified" in nself("plugin", "list").stdout
    refused = nself("weather", "now", check=False)
    assert refused.returncode == 1
    assert "plugin weather cannot be used: its files are not those you allowed: __init__.py changed" in refused.stderr
    refused = nself("plugin", "enable", "weather", check=False)
    assert refused.returncode == 1
    assert "may not be loaded" in refused.stderr
    assert not mark.exists()


def test_disable_and_enable(nself: Nself, site: Path) -> None:
    install(site, "weather", ["now"])
    nself("plugin", "allow", "weather")
    nself("plugin", "disable", "weather")
    assert json.loads((nself.folder / "plugins.lock").read_text())["plugins"]["weather"]["enabled"] is False
    assert "weather" not in nself("--help").stdout
    nself("plugin", "enable", "weather")
    assert nself("weather", "now").stdout == "ran now\n"


def test_a_broken_record_of_plugins_hides_their_words_and_not_the_help(nself: Nself, site: Path) -> None:
    install(site, "weather", ["now"])
    nself("plugin", "allow", "weather")
    (nself.folder / "plugins.lock").write_text("<<<<<<< ours")
    assert "  build " in nself("--help").stdout
    assert nself("plugin", "--help").stdout
    done = nself("weather", "now", check=False)
    assert done.returncode == 1
    assert "list of plugins cannot be read" in done.stderr


def test_the_schema_is_json_schema(nself: Nself) -> None:
    document = json.loads(nself("plugin", "schema").stdout)
    assert {"name", "version", "summary"} <= set(document["required"])


def test_a_new_plugin_is_installed_by_the_words_that_are_proposed(nself: Nself, site: Path) -> None:
    proposed = nself("plugin", "new", "acme-hello", "--publisher", "acme").stderr
    assert "nself plugin install ./acme-hello" in proposed
    done = nself("plugin", "install", "acme-hello", "--yes", check=False)
    assert done.returncode == 1
    assert "nself plugin install ./acme-hello" in done.stderr, "a bare name is for the registries"
    nself("plugin", "keygen", "acme")
    proposed = nself("plugin", "sign", "acme-hello").stderr
    assert "pip wheel --no-deps ./acme-hello" in proposed, "pip takes a bare name for a package of the index, whoever's it is"
    assert "acme/acme-hello 0.1.0 (development) is installed" in nself("plugin", "install", "./acme-hello", "--yes").stdout


@pytest.mark.parametrize("wrong", [5, "x", [7], [{"security": {"cap_add": 1, "cap_drop": 2}}], {"name": "x"}])
def test_a_linked_manifest_that_went_wrong_is_shown_all_the_same(nself: Nself, site: Path, wrong: object) -> None:
    nself("plugin", "new", "acme-infra", "--kind", "infra")
    nself("plugin", "install", "./acme-infra", "--yes")
    place = nself.folder / "acme-infra" / "nself_plugin_acme_infra" / "plugin.json"
    place.write_text(json.dumps({**json.loads(place.read_text()), "services": wrong}))
    assert "acme-infra" in nself("plugin", "status", "acme-infra").stdout


def test_a_search_tells_what_is_installed(nself: Nself, site: Path) -> None:
    before = {one["name"]: one["installed"] for one in json.loads(nself("plugin", "search", "--json").stdout)}
    assert len(before) >= 8
    assert not any(before.values())
    nself("plugin", "install", "cron", "--yes")
    after = {one["name"]: one["installed"] for one in json.loads(nself("plugin", "search", "--json").stdout)}
    assert after == before | {"cron": True}
    (version,) = json.loads(nself("plugin", "info", "cron", "--json").stdout)["versions"]
    assert version["installed"] is True


def test_an_unknown_plugin_is_told_with_the_nearest(nself: Nself, site: Path) -> None:
    install(site, "weather", ["now"])
    done = nself("plugin", "status", "whether", check=False)
    assert done.returncode == 1
    assert "did you mean weather?" in done.stderr
