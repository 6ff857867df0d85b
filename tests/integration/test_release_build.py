"""A release: what the wheel carries, that its bytes can be had again, and that a changed byte is noticed."""

from __future__ import annotations

import importlib.util
import json
import os
import py_compile
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from nself_core.plugins.keys import keygen
from tests.installed import Installed, build_wheel, copy_of_checkout, install

pytestmark = pytest.mark.slow
EXAMPLE = Path(__file__).resolve().parents[1] / "fixtures" / "nself-plugin-example"


@dataclass(frozen=True)
class Build:
    checkout: Path
    key: Path
    wheel: Path


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    """An official wheel of this checkout with one more plugin in its registry."""
    place = tmp_path_factory.mktemp("release")
    checkout = copy_of_checkout(place / "checkout")
    plugin(checkout)
    keygen(place, "nself")
    key = place / "keys" / "nself.pem"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NSELF_RELEASE_KEY", str(key))
        yield Build(checkout, key, build_wheel(checkout, place / "wheel"))


def plugin(checkout: Path) -> None:
    """Put the example plugin among the sources of the registry, as one of ours."""
    target = checkout / "registry" / "plugins" / "example"
    for file in EXAMPLE.rglob("*"):
        if file.is_file() and file.suffix != ".pyc":
            (target / file.relative_to(EXAMPLE)).parent.mkdir(parents=True, exist_ok=True)
            (target / file.relative_to(EXAMPLE)).write_bytes(file.read_bytes())
    manifest = target / "nself_plugin_example" / "plugin.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "publisher": "nself"}))


@pytest.fixture(scope="module")
def installed(build: Build, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return install(tmp_path_factory.mktemp("environment") / "venv", build.wheel)


def python(made: Installed, code: str, home: Path) -> str:
    """What code prints in the environment; a failure shows its traceback."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(home.parent), "NSELF_HOME": str(home)}
    done = subprocess.run([made.python, "-c", code], env=environ, capture_output=True, text=True, check=False, cwd=home.parent)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_wheel_carries_the_registry_and_one_signed_list_of_all(build: Build) -> None:
    with zipfile.ZipFile(build.wheel) as archive:
        names = set(archive.namelist())
        listed = json.loads(archive.read("nself_core/release.json"))
    ours = {name for name in names if name.split("/")[0] in {"hookspecs", "nself_core", "builtin_plugins"}}
    assert set(listed["files"]) == ours - {"nself_core/release.json"}
    assert "builtin_plugins/registry/embedded/nself_plugin_example-1.0.0-py3-none-any.whl" in names
    assert listed["official"] is True
    assert build.key.with_suffix(".pub").read_text().strip() == listed["key"]


def test_no_private_key_is_in_it(build: Build) -> None:
    with zipfile.ZipFile(build.wheel) as archive:
        assert [name for name in archive.namelist() if b"PRIVATE KEY-----\n" in archive.read(name)] == []


def test_a_build_by_way_of_the_source_distribution_gives_the_same_bytes(build: Build, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path), str(build.checkout)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.read_bytes() == build.wheel.read_bytes()


def test_every_file_is_verified(installed: Installed, tmp_path: Path) -> None:
    code = "from nself_core import release as r; print(r.verify_all(), len(r.verify_release()) > 2)"
    count, shared = python(installed, code, tmp_path / ".nself").split()
    assert int(count) > 400
    assert shared == "True"


def test_the_files_of_a_built_in_are_verified(installed: Installed, tmp_path: Path) -> None:
    code = "from nself_core import release as r; print(sorted(r.verify_release(r.SITE/'builtin_plugins/core/nginx'))[:1])"
    assert python(installed, code, tmp_path / ".nself") == "['__init__.py']"


@pytest.mark.parametrize("change", ["a byte", "a file more", "a file less", "the list", "the key"])
def test_what_was_changed_is_refused(installed: Installed, tmp_path: Path, change: str) -> None:
    site = installed.site
    place = {
        "a byte": site / "builtin_plugins" / "core" / "nginx" / "service.py",
        "a file more": site / "builtin_plugins" / "core" / "nginx" / "more.py",
        "a file less": site / "builtin_plugins" / "core" / "nginx" / "checks.py",
        "the list": site / "nself_core" / "release.json",
        "the key": site / "nself_core" / "_release.py",
    }[change]
    before = place.read_bytes() if place.exists() else None
    if change == "a file less":
        (place,) = sorted((site / "builtin_plugins" / "core" / "nginx").glob("s*.py"))[:1]
        before = place.read_bytes()
        place.unlink()
    elif change == "the list":
        listed = json.loads(place.read_bytes())
        listed["files"]["builtin_plugins/core/nginx/service.py"] = "0" * 64
        place.write_text(json.dumps(listed))
    elif change == "the key":
        place.write_text('PUBLIC_KEY = "' + "1" * 64 + '"\nOFFICIAL = True\n')
    else:
        place.write_bytes((before or b"") + b"\n# more\n")
    code = (
        "from nself_core import release as r\n"
        "try: r.verify_release(r.SITE/'builtin_plugins/core/nginx')\n"
        "except r.ListError as e: print('refused', e)\n"
    )
    try:
        assert python(installed, code, tmp_path / ".nself").startswith("refused")
    finally:
        place.unlink() if before is None else place.write_bytes(before)


def test_a_server_is_verified_each_time_it_is_started(installed: Installed, tmp_path: Path) -> None:
    """A supervisor restarts it without `nself`: neither a changed module nor code planted beside it is run."""
    engine = installed.site / "builtin_plugins" / "core" / "hasura" / "engine"
    evil = "raise SystemExit('planted code ran')\n"

    def started() -> tuple[int, str]:
        """The engine is given an argument it refuses, which only its own code does."""
        command = [installed.python, "-m", "nself_core.plugins.serve", "builtin_plugins.core.hasura.engine", "surplus"]
        environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, cwd=tmp_path)
        return done.returncode, done.stderr

    def refuses_arguments() -> bool:
        code, told = started()
        return code == 2 and "takes no arguments" in told

    assert refuses_arguments()
    main = engine / "__main__.py"
    there = main.read_bytes()
    planted = Path(importlib.util.cache_from_source(str(main)))
    planted.parent.mkdir(exist_ok=True)
    kept = planted.read_bytes() if planted.exists() else None
    status = main.stat()
    source = tmp_path / "evil.py"
    source.write_text(evil.ljust(status.st_size, "#"))  # of the same size and time, so that Python takes it for the module's
    os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
    py_compile.compile(str(source), cfile=str(planted), dfile=str(main), doraise=True)
    try:
        assert refuses_arguments()
        planted.write_bytes(kept) if kept is not None else planted.unlink()
        for place, content in ((main, there + b"# more\n"), (engine / "config.so", b"")):
            place.write_bytes(content)
            exit_code, told = started()
            assert exit_code == 1
            assert "builtin_plugins.core.hasura.engine is not run: its files are not those of the release" in told
            place.write_bytes(there) if place == main else place.unlink()
    finally:
        main.write_bytes(there)
        (engine / "config.so").unlink(missing_ok=True)
    assert refuses_arguments()


def test_the_part_of_nself_in_the_hosts_image_verifies_too(installed: Installed, tmp_path: Path) -> None:
    """The image holds the Host and what it runs on, not every built-in."""
    code = (
        "from pathlib import Path; from builtin_plugins.host.image import CONTEXT, files\n"
        f"for file in files([]):\n    place = Path({str(tmp_path)!r}) / file.path\n"
        "    place.parent.mkdir(parents=True, exist_ok=True); place.write_bytes(file.content)\n"
        "print(CONTEXT)"
    )
    source = tmp_path / python(installed, code, tmp_path / ".nself") / "nself"
    module = "builtin_plugins.host.jobs"

    def run() -> subprocess.CompletedProcess[str]:
        command = [installed.python, "-c", f"from nself_core.plugins.serve import guard; guard({module!r}); import {module} as m;"
                   "print(m.__file__, type(m.__loader__).__name__)"]  # fmt: skip
        environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(source)}
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, cwd=tmp_path)

    where = source / "builtin_plugins" / "host" / "jobs" / "__init__.py"
    assert run().stdout.split() == [str(where), "VerifyingLoader"]
    where.write_bytes(where.read_bytes() + b"# more\n")
    assert "its files are not those of the release" in run().stderr


def test_the_embedded_registry_offers_its_plugin_and_refuses_a_changed_wheel(installed: Installed, tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from nself_core import paths; from nself_core.plugins.sources.registries import sources\n"
        "from hookspecs import UserError\n"
        "source, = sources(paths.home()); one, = source.releases('example')\n"
        "print(one.full_name, one.version, source.name, [r.name for r in source.catalogue()])\n"
        "try: print(source.download(one, Path('.'), lambda n: None).name)\n"
        "except UserError as e: print(e.code)\n"
    )
    first, second = python(installed, code, tmp_path / ".nself").splitlines()
    assert first.startswith("nself/example 1.0.0 embedded [")
    assert "'example'" in first
    assert second == "nself_plugin_example-1.0.0-py3-none-any.whl"
    wheel = installed.site / "builtin_plugins" / "registry" / "embedded" / second
    data = wheel.read_bytes()
    wheel.write_bytes(data[:-1] + b"x")
    try:
        assert python(installed, code, tmp_path / ".nself").splitlines()[1] == "registry-embedded"
    finally:
        wheel.write_bytes(data)


def test_the_version_says_nothing_more_of_an_official_build(installed: Installed, tmp_path: Path) -> None:
    assert installed.nself("version", cwd=tmp_path, home=tmp_path / ".nself").stdout.strip().startswith("nself ")
    assert "unofficial" not in installed.nself("version", cwd=tmp_path, home=tmp_path / ".nself").stdout
    assert '"edition": "official"' in installed.nself("version", "--json", cwd=tmp_path, home=tmp_path / ".nself").stdout


def test_a_build_without_the_release_key_says_so(build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NSELF_RELEASE_KEY")
    made = install(tmp_path / "venv", build_wheel(build.checkout, tmp_path / "wheel"))
    assert "(unofficial build)" in made.nself("version", cwd=tmp_path, home=tmp_path / ".nself").stdout
    assert "an unofficial build" in made.nself("plugin", "status", cwd=tmp_path, home=tmp_path / ".nself").stdout
    assert int(python(made, "from nself_core import release as r; print(r.verify_all())", tmp_path / ".nself")) > 400


def test_another_key_than_the_published_one_is_refused(build: Build, tmp_path: Path) -> None:
    published = build.checkout / "registry" / "keys" / "release.pub"
    published.write_text("ed25519:" + "A" * 43 + "=\n")
    try:
        with pytest.raises(RuntimeError, match="is not the key whose public half"):
            build_wheel(build.checkout, tmp_path)
    finally:
        published.unlink()
