"""The list of refusals, walked through the command line against a registry served over HTTP: warm and cold, nothing changed."""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nself_core.cli.main import main
from nself_core.plugins import keys
from tests.plugin_wheels import ACME, MALLORY, WheelFolder, wheel

pytestmark = pytest.mark.slow


class Shop:
    """An operator's home and registry, and a user's home and project; both run nself in this process."""

    def __init__(self, base: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.base = base
        self.capsys = capsys
        self.monkeypatch = monkeypatch
        self.user, self.operator, self.project = base / "user", base / "operator", base / "project"
        self.served = base / "public"
        self.project.mkdir()
        (self.project / ".env").write_text("")

    def __call__(self, *arguments: str, home: Path | None = None) -> tuple[int, str, str]:
        """Run nself; exit code, standard output and standard error."""
        self.monkeypatch.setenv("NSELF_HOME", str(home or self.user))
        self.monkeypatch.chdir(self.project if home is None else self.base)
        self.capsys.readouterr()
        code = main(list(arguments))
        out = self.capsys.readouterr()
        return code, out.out, out.err

    def done(self, *arguments: str, home: Path | None = None) -> str:
        code, out, err = self(*arguments, home=home)
        assert code == 0, (arguments, out, err)
        return out

    def publish(self, *wheels: Path) -> None:
        for one in wheels:
            self.done("registry", "add", str(one), "--dir", "work", home=self.operator)
        self.done("registry", "publish", str(self.served), "--dir", "work", home=self.operator)

    def state(self) -> dict[str, bytes | str]:
        """What the user has: all that an installation may change."""
        found: dict[str, bytes | str] = {}
        for base in (self.user, self.project):
            for path in sorted(base.rglob("*")):
                skipped = {"cache", "state", ".staging", "lock", "revoked.json", "latest", "embedded", "registries"}
                if skipped & set(path.relative_to(base).parts):
                    continue
                if path.is_symlink():
                    found[str(path)] = f"→ {path.readlink()}"
                elif path.is_file():
                    found[str(path)] = path.read_bytes()
        return found

    def refused(self, told: str, *arguments: str) -> None:
        """The command fails with the reason, and nothing has changed; with a warm index and without one."""
        before = self.state()
        for warm in (True, False):
            if not warm:
                for compiled in (self.user / "cache").glob("plugins-*.json"):
                    compiled.unlink()
            code, out, err = self(*arguments)
            assert code in {1, 2}, (arguments, out, err)
            assert told in err, (arguments, err)
            assert "Traceback" not in err
            assert self.state() == before, arguments


@pytest.fixture
def shop(tmp_path: Path, own_home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    made = Shop(tmp_path, capsys, monkeypatch)
    made.done("registry", "init", "--name", "acme-registry", "--dir", "work", home=made.operator)
    for key in (ACME, MALLORY):
        made.done(
            "registry", "publisher", key.publisher, "--key", keys.public_text(key.public), "--vouched", "--dir", "work",
            home=made.operator,
        )  # fmt: skip
    made.publish(wheel(tmp_path / "wheels", "good"))
    handler = functools.partial(Quiet, directory=str(made.served))
    server = Server(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    made.done("registry", "connect", "acme-registry", url, "--root", str(made.served / "root.json"))
    made.done("plugin", "trust", "add", "acme", keys.public_text(ACME.public))
    yield made
    server.shutdown()
    server.server_close()


class Server(http.server.ThreadingHTTPServer):
    """One that clients may hang up on."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing."""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Static files, as any web server gives them."""

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def served_wheel(shop: Shop, name: str) -> Path:
    return next(path for path in shop.served.rglob(f"*nself_plugin_{name}-*.whl"))


def swap_manifest(files: dict[str, bytes]) -> None:
    content = json.loads(files["nself_plugin_swapped/plugin.json"])
    files["nself_plugin_swapped/plugin.json"] = json.dumps({**content, "summary": "Something else."}).encode()


def test_the_whole_list(shop: Shop) -> None:
    wheels = shop.base / "wheels"
    shop.done("plugin", "install", "good")
    assert "signed" in shop.done("plugin", "status", "good")

    # Who signed it, and for whom
    shop.publish(wheel(wheels, "strange", key=MALLORY))
    shop.refused("which you do not trust", "plugin", "install", "strange")
    shop.refused("which you do not trust", "plugin", "install", "strange", "--allow-unsigned")
    shop.refused("nobody has signed it", "plugin", "install", str(wheel(wheels, "loose", key=None)))

    # Names, ranges, licences, versions
    shop.publish(
        wheel(wheels, "first", depends_on=["second"]), wheel(wheels, "second", depends_on=["first"]),
        wheel(wheels, "needy", depends_on=["good>=9"]), wheel(wheels, "costly", tier="pro", bundles=["nclaw"]),
        wheel(wheels, "future", min_nself="99.0"), wheel(wheels, "build"), wheel(wheels, "good", "1.0.1", key=MALLORY),
    )  # fmt: skip
    shop.refused("in a circle: first, second", "plugin", "install", "first")
    shop.refused("acme/needy 1.0.0 needs good>=9", "plugin", "install", "needy")
    shop.refused("is a paid plugin", "plugin", "install", "costly")
    shop.refused("it needs nself 99.0", "plugin", "install", "future")
    shop.refused("is a command of nself", "plugin", "install", "build")
    shop.refused("acme/good 1.0.0 is installed under the same name", "plugin", "install", "mallory/good")
    shop.refused("there is no plugin 'nowhere'", "plugin", "install", "nowhere")
    shop.refused("plugin core-postgres is here, but in no registry", "plugin", "info", "core-postgres")
    shop.refused("there is no such folder", "plugin", "install", "../../nowhere")
    shop.refused("names no plugin", "plugin", "install", "Good")

    # On the way: a registry's server that changes, cuts or prolongs what it sends
    shop.publish(wheel(wheels, "hello"))
    place = served_wheel(shop, "hello")
    honest = place.read_bytes()
    flipped = bytearray(honest)
    flipped[len(flipped) // 2] ^= 1
    for content in (bytes(flipped), honest[:-100], honest + bytes(10_000_000), b""):
        place.write_bytes(content)
        shop.refused("registry acme-registry", "plugin", "install", "hello")
    place.unlink()
    shop.refused("registry acme-registry", "plugin", "install", "hello")
    place.write_bytes(honest)
    shop.done("plugin", "install", "hello")

    # A publisher's wheel that is not what was signed, given as a file
    def add(path: str) -> Callable[[dict[str, bytes]], None]:
        return lambda files: files.update({path: b"x"})

    for name, change, told in (
        ("swapped", swap_manifest, "plugin.json changed"),
        ("extra", add("nself_plugin_extra/more.py"), "more.py is new"),
        ("lacking", lambda files: files.pop("nself_plugin_lacking/words.py") and None, "words.py is gone"),
        ("climbing", add("nself_plugin_climbing/../../up.py"), "would land elsewhere"),
        ("loaded", add("yaml/__init__.py"), "brings yaml"),
    ):
        shop.refused(told, "plugin", "install", str(wheel(wheels, name, change=change)))

    # What is changed once it is here never loads
    hello = shop.user / "plugins" / "hello"
    (hello / "words.py").write_text("WORD = 'evil'\n")
    code, out, _ = shop("plugin", "verify", "hello")
    assert (code, "words.py changed" in out) == (1, True)
    assert shop("build")[0] == 0
    shop.refused("may not be loaded", "plugin", "enable", "hello")
    shop.done("plugin", "install", "hello", "--force")

    # Taken back
    shop.done("registry", "revoke", "hello", "1.0.0", "--reason", "it phones home", "--yes", "--dir", "work", home=shop.operator)
    shop.publish()
    shop.refused("it phones home", "plugin", "install", "hello", "--force")
    assert "revoked" in shop.done("plugin", "status", "hello")

    # An older state of the registry, and one that nobody renewed
    older = shop.base / "older"
    shutil.copytree(shop.served, older)
    shop.publish(wheel(wheels, "newer"))
    shop.done("plugin", "search", "newer")
    replace_tree(older, shop.served)
    shop.refused("older metadata", "plugin", "install", "newer")


def replace_tree(source: Path, target: Path) -> None:
    for entry in list(target.iterdir()):
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    shutil.copytree(source, target, dirs_exist_ok=True)


def test_the_registry_carries_every_field_of_a_manifest(shop: Shop) -> None:
    from tests.unit.install.test_manifest_fields import VALUES

    manifest = {key: value for key, value in VALUES.items() if key not in {"name", "version", "publisher"}}
    made = wheel(shop.base / "wheels", "full", "1.2.3", **manifest)
    shop.publish(wheel(shop.base / "wheels", "jobs"), made)
    told = json.loads(shop.done("plugin", "info", "full", "--json"))
    assert told["manifest"] == VALUES
    shop.done("plugin", "install", "full", "--yes")
    assert json.loads((shop.user / "plugins" / "full" / "plugin.json").read_text()) == VALUES
    assert WheelFolder(made.parent).releases("full")[0].manifest == VALUES
