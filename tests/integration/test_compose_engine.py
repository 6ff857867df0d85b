"""The Compose runtime on a real engine, with a small image made here: our wiring is proven, no upstream image is."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from builtin_plugins.runtimes.compose import endpoint
from builtin_plugins.runtimes.compose.engine import Engine
from builtin_plugins.runtimes.compose.runtime import Compose
from hookspecs import Build, HttpProbe, Image, Join, Limits, Mount, Need, Port, Secret, Service, ServiceState, UserError
from nself_core.stack.resolver import ValueResolver
from tests.native_project import until
from tests.unit.compose.stacks import compose_binary, project, stack, write

pytestmark = [pytest.mark.slow, pytest.mark.docker]

IMAGE = "nself-test/busybox:2"
#: The static busybox has a wget that crashes where the C library's name services are missing, so the image brings a small one.
WGET = """#!/bin/sh
for url; do :; done
rest=${url#http://}; port=${rest%%/*}
answer=$(printf "GET /${rest#*/} HTTP/1.0\\r\\n\\r\\n" | nc 127.0.0.1 "${port#*:}")
case "$answer" in *" 200 "*) exit 0 ;; *" 404 "*) echo "server returned 404" ;; *) echo "no answer" ;; esac
exit 1
"""
APPLETS = ("sh", "sleep", "nc", "httpd", "echo", "cat", "env", "kill", "id", "ls", "touch", "printf", "mkdir")
SECRET = "a'b\"c ${HOME} $d #e \\\\f\\' é"


@pytest.fixture(scope="session")
def image() -> str:
    """An image of busybox alone, imported into the engine."""
    try:
        trouble = endpoint.ping(endpoint.current())
    except endpoint.ContextError as error:
        trouble = str(error)
    if trouble:
        pytest.skip(f"no Docker Engine: {trouble}")
    engine = Engine("nself-test")
    if engine.has_image(IMAGE):
        return IMAGE
    busybox = shutil.which("busybox")
    static = busybox and b"NEEDED" not in subprocess.run(["objdump", "-p", busybox], capture_output=True, check=False).stdout
    if not busybox or not static:
        pytest.skip("no static busybox (Debian's busybox-static) to make an image of")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(busybox, "bin/busybox")
        for name in APPLETS:
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        script = tarfile.TarInfo("bin/wget")
        script.mode, script.size = 0o755, len(WGET)
        tar.addfile(script, io.BytesIO(WGET.encode()))
    engine.streaming.import_image_from_data(packed.getvalue(), repository="nself-test/busybox", tag="2")
    return IMAGE


@pytest.fixture(params=["v1", "v2"])
def generation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    from builtin_plugins.runtimes.compose import binaries

    found = binaries.ComposeBinary(compose_binary(request.param))
    monkeypatch.setattr(binaries, "find", lambda: found)
    return str(request.param)


SERVE = "mkdir -p /tmp/w; echo fine >/tmp/w/health; echo started; echo oops >&2; exec httpd -f -p 8000 -h /tmp/w"
WEB = Service(
    name="web",
    category="custom",
    image=Image(ref=IMAGE),
    command=("/bin/sh", "-c", SERVE),
    ports=(Port(container=8000, host=18931),),
    probe=HttpProbe(path="/health", interval=1, start_period=5),
    needs=(Need(service="helper", condition="completed"),),
    env={"TOKEN": Secret(name="TOKEN"), "URL": Join.of("x://", Secret(name="TOKEN", quote="url"), "@h"), "PLAIN": "$p ${q}"},
    mounts=(
        Mount(kind="volume", source="web_data", target="/data"),
        Mount(kind="bind", source="conf", target="/c", read_only=True),
    ),
    limits=Limits(memory=64 * 1024 * 1024, cpus=0.5, pids=50),
    stop_grace=1,
)
HELPER = Service(name="helper", image=Image(ref=IMAGE), command=("/bin/echo", "helped"), one_shot=True)


class Run:
    """One project on the engine, removed afterwards."""

    def __init__(self, root: Path, name: str) -> None:
        self.project = project(root, name=name)
        (root / "conf").mkdir(exist_ok=True)
        (root / "conf" / "a").write_text("one")
        self.seen: list[tuple[str, str, str]] = []

    def runtime(self, *services: Service) -> Compose:
        bound = stack(self.project, *services)
        write(self.project, bound, {"TOKEN": SECRET})
        return Compose(self.project, bound, self.project.root / ".nself", ValueResolver(bound, {"TOKEN": SECRET}))

    def progress(self, service: str, state: str, detail: str) -> None:
        self.seen.append((service, state, detail))

    def start(self, runtime: Compose, services: list[str] | None = None, timeout: float = 90) -> dict[str, ServiceState]:
        found = runtime.start(services, timeout=timeout, progress=self.progress)
        return {f"{s.name}#{s.instance}" if s.instance > 1 else s.name: s for s in found}


@pytest.fixture
def run(image: str, generation: str, tmp_path: Path) -> Iterator[Run]:
    made = Run(tmp_path, f"nselftest{generation}")
    yield made
    made.runtime(WEB, HELPER).destroy(data=True, progress=made.progress)


def test_start_states_change_stop_destroy(run: Run) -> None:
    runtime = run.runtime(WEB, HELPER)
    states = run.start(runtime)
    assert (states["web"].status, states["web"].health) == ("running", "healthy")
    assert states["helper"].status == "completed"
    assert states["web"].ports == ("127.0.0.1:18931->8000",)
    assert runtime.own_ports() == {18931}
    assert ("web", "healthy", "") in run.seen
    full = runtime.engine.inspect(runtime.engine.of_service("web")[0]["Id"])
    assert full is not None
    host = full["HostConfig"]
    assert (host["Memory"], host["NanoCpus"], host["PidsLimit"]) == (64 * 1024 * 1024, 500_000_000, 50)
    assert (host["CapDrop"], host["SecurityOpt"]) == (["ALL"], ["no-new-privileges:true"])
    environment = dict(item.split("=", 1) for item in full["Config"]["Env"])
    assert environment["TOKEN"] == SECRET
    assert environment["PLAIN"] == "$p ${q}"
    assert SECRET not in str(full["Args"])

    first = states["web"].id
    assert run.start(runtime)["web"].id == first, "a second start leaves what runs alone"
    (run.project.root / "conf" / "a").write_text("two")
    before = states["web"].started_at
    again = run.start(runtime)["web"]
    assert again.id == first
    assert again.started_at != before, "changed configuration that is mounted restarts the service"
    changed = run.start(run.runtime(WEB.model_copy(update={"env": {"NEW": "1"}}), HELPER))["web"]
    assert changed.id != first, "a changed specification makes a new container"

    probed = {s.name: s.health for s in runtime.states(probe=True)}
    assert probed["web"] == "healthy"
    usage = next(s for s in runtime.states(usage=True) if s.name == "web")
    assert usage.memory is not None
    assert usage.cpu is not None
    runtime.stop(None, progress=run.progress)
    assert {s.name: s.status for s in runtime.states()} == {"web": "stopped", "helper": "completed"}
    assert runtime.holds_data() == ["web_data"]
    gone = runtime.destroy(data=True, progress=run.progress)
    assert f"volume {run.project.name}_web_data" in gone
    assert runtime.engine.containers() == []
    assert runtime.holds_data() == []


def test_logs_and_exec(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    runtime = run.runtime(WEB, HELPER)
    run.start(runtime)
    lines = list(runtime.logs(["web"], follow=False, tail=10, since=None))
    assert {(line.stream, line.text) for line in lines} >= {("stdout", "started"), ("stderr", "oops")}
    assert all(line.time is not None for line in lines)
    assert [line.text for line in runtime.logs(["helper"], follow=False, tail=None, since=None)] == ["helped"] * 1
    if shutil.which("docker") is None:
        pytest.skip("exec needs the docker program")
    code = runtime.exec("web", ["/bin/sh", "-c", "echo $WORD; exit 7"], tty=False, user=None, env={"WORD": "odd $word"})
    assert code == 7
    assert capfd.readouterr().out == "odd $word\n"
    elsewhere = {"DOCKER_HOST": "unix:///nowhere"}
    assert runtime.exec("web", ["/bin/sh", "-c", "echo $DOCKER_HOST"], tty=False, user=None, env=elsewhere) == 0
    assert capfd.readouterr().out == "unix:///nowhere\n"
    script = (
        "import sys; from tests.integration.test_compose_engine import *\n"
        f"r = Run(Path({str(run.project.root)!r}), {run.project.name!r}).runtime(WEB, HELPER)\n"
        "sys.exit(r.exec('web', ['/bin/cat'], tty=False, user=None, env={}))"
    )
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", script], input="piped\n", capture_output=True, text=True, env=here, check=False)
    assert (done.returncode, done.stdout) == (0, "piped\n")
    with pytest.raises(UserError, match="helper does not run"):
        runtime.exec("helper", ["/bin/ls"], tty=False, user=None, env={})


def remove_images(runtime: Compose, images: set[str]) -> None:
    """Those of earlier builds, which have no name any more."""
    for image in filter(runtime.engine.has_image, images):
        runtime.engine.ask("DELETE", f"/images/{image}", force=True)


def test_an_image_is_built_and_again_where_its_source_changed(run: Run) -> None:
    source = run.project.root / "made"
    source.mkdir()
    (source / "Dockerfile").write_text(f"FROM {IMAGE}\nCOPY word /word\n")
    command = ("/bin/sh", "-c", "cat /word; exec sleep 600")
    service = Service(name="made", build=Build(context="made"), command=command, stop_grace=1)
    runtime = run.runtime(service)
    images = set()
    for word in ("one", "one", "two"):
        (source / "word").write_text(f"{word}\n")
        assert run.start(runtime)["made"].status == "running"
        # without a health check it is up before it has said anything
        said = until(lambda: [line.text for line in runtime.logs(["made"], follow=False, tail=1, since=None)])
        assert said == [word]
        images.add(runtime.engine.of_service("made")[0]["ImageID"])
    assert len(images) == 2
    assert [state for _, state, _ in run.seen].count("building") == 2
    gone = runtime.destroy(data=True, progress=run.progress)
    built = f"{run.project.name}-made"
    assert f"image {built}" in gone
    assert not runtime.engine.has_image(built)
    remove_images(runtime, images)


def test_dependencies_kept_from_the_source_are_those_of_the_image_now(run: Run) -> None:
    """What a template does in dev: the source is mounted over the program's folder, and an anonymous volume keeps its
    dependencies apart. Compose would give the new container the old one's volume."""
    source = run.project.root / "made"
    source.mkdir()
    (source / "Dockerfile").write_text(f"FROM {IMAGE}\nCOPY word /app/kept/word\n")
    mounts = (Mount(kind="bind", source="made", target="/app"), Mount(kind="anonymous", target="/app/kept"))
    command = ("/bin/sh", "-c", "cat /app/kept/word; exec sleep 600")
    runtime = run.runtime(Service(name="made", build=Build(context="made"), command=command, mounts=mounts, stop_grace=1))
    volumes = runtime.engine.ask("GET", "/volumes")["Volumes"] or []
    images = set()
    for word in ("one", "two"):
        (source / "word").write_text(f"{word}\n")
        run.start(runtime)
        assert [line.text for line in runtime.logs(["made"], follow=False, tail=1, since=None)] == [word]
        images.add(runtime.engine.of_service("made")[0]["ImageID"])
    assert len(runtime.engine.ask("GET", "/volumes")["Volumes"]) == len(volumes) + 1, "the old one went with its container"
    made = runtime.engine.of_service("made")[0]["Id"]
    run.start(runtime)
    assert runtime.engine.of_service("made")[0]["Id"] == made, "nothing changed, nothing is made anew"
    runtime.destroy(data=True, progress=run.progress)
    remove_images(runtime, images)


def test_what_was_done_behind_its_back_is_put_right(run: Run) -> None:
    """A container that was paused, and a network that was removed while nothing ran (``docker network prune``)."""
    runtime = run.runtime(WEB, HELPER)
    first = run.start(runtime)["web"].id
    runtime.engine.ask("POST", f"/containers/{first}/pause")
    paused = next(s for s in runtime.states(probe=True) if s.name == "web")
    assert (paused.status, paused.health) == ("stopped", "none")
    assert "paused" in paused.reason
    assert runtime.own_ports() == {18931}, "it holds its port, and the next start may take it"
    assert (run.start(runtime)["web"].id, run.start(runtime)["web"].health) == (first, "healthy")
    assert runtime.exec("web", ["/bin/touch", "/data/kept"], tty=False, user=None, env={}) == 0
    runtime.stop(None, progress=run.progress)
    for network in runtime.engine.networks():
        runtime.engine.ask("DELETE", f"/networks/{network}")
    assert run.start(runtime)["web"].health == "healthy"
    assert runtime.exec("web", ["/bin/ls", "/data/kept"], tty=False, user=None, env={}) == 0


def test_a_network_that_somebody_else_uses_is_the_last_to_go(run: Run) -> None:
    runtime = run.runtime(WEB, HELPER)
    run.start(runtime)
    network = runtime.engine.networks()[0]
    body = {"Image": IMAGE, "Cmd": ["/bin/sleep", "60"], "HostConfig": {"NetworkMode": network}}
    other = runtime.engine.ask("POST", "/containers/create", body, name="nselftest-other")["Id"]
    try:
        runtime.engine.ask("POST", f"/containers/{other}/start")
        with pytest.raises(UserError, match="in use by nselftest-other") as caught:
            runtime.destroy(data=True, progress=run.progress)
        assert f"docker network disconnect {network} nselftest-other" in caught.value.remedy
        assert (runtime.engine.containers(), runtime.holds_data()) == ([], [])
    finally:
        runtime.engine.ask("DELETE", f"/containers/{other}", force=True)
    assert runtime.destroy(data=True, progress=run.progress) == [f"network {network}"]


def test_copies_and_a_probe_from_outside(run: Run) -> None:
    many = WEB.model_copy(update={"replicas": 3, "probe": HttpProbe(path="/health", tool="outside")})
    runtime = run.runtime(many, HELPER)
    states = run.start(runtime)
    assert [states[name].health for name in ("web", "web#2", "web#3")] == ["healthy"] * 3
    assert states["web"].ports == ()


def test_what_never_gets_healthy_is_named(run: Run) -> None:
    sick = WEB.model_copy(update={"probe": HttpProbe(path="/missing", interval=1, retries=2, start_period=1)})
    ends = Service(name="ends", image=Image(ref=IMAGE), command=("/bin/sh", "-c", "echo cannot go on; exit 3"), restart="no")
    after = Service(
        name="after", image=Image(ref=IMAGE), command=("/bin/sleep", "600"), needs=(Need(service="web"),), stop_grace=1
    )
    states = run.start(run.runtime(sick, HELPER, ends, after))
    assert states["web"].health == "unhealthy"
    assert "404" in states["web"].reason
    assert (states["ends"].status, states["ends"].reason) == ("failed", "exit code 3")
    assert states["after"].status == "stopped"


@pytest.mark.parametrize("generation", ["v2"], indirect=True)
def test_what_was_left_behind_neither_shows_nor_blocks_a_start(run: Run) -> None:
    """Init containers showed as stopped; what a service of old, or a start that was cut off, had left blocked the next start."""
    of_old = WEB.model_copy(update={"name": "of-old", "ports": (Port(container=8000, host=18932),), "needs": ()})
    run.start(run.runtime(of_old))
    new = of_old.model_copy(update={"name": "new"})  # it wants the very port of the one that is no longer in the stack
    runtime = run.runtime(HELPER, new)
    runtime._compose.run("up", "--no-start", "new", deadline=lambda: False, meanwhile=lambda: None)
    assert {s.name: s.status for s in runtime.states()} == {"helper": "stopped", "new": "stopped"}
    assert 18932 in runtime.own_ports(), "what the project itself holds is not taken by a stranger"

    states = run.start(runtime)
    assert (states["new"].health, states["helper"].status) == ("healthy", "completed")
    assert {c["Labels"]["nself.service"] for c in runtime.engine.containers()} == {"helper", "new"}

    began = time.monotonic()
    run.runtime(HELPER).stop(None, progress=run.progress)
    assert runtime.engine.of_service("new", running=True) == [], "a stop ends what is no longer in the stack"
    assert time.monotonic() - began < 20, "and gives it the second that it was made with, not the usual thirty"


def test_a_missing_image_and_a_taken_name_are_one_clear_error(run: Run, tmp_path_factory: pytest.TempPathFactory) -> None:
    absent = WEB.model_copy(update={"image": Image(ref="localhost:1/none/such:1"), "needs": ()})
    with pytest.raises(UserError, match="1 image could not be had; nothing was started") as caught:
        run.start(run.runtime(absent))
    assert caught.value.findings[0].where == "web"
    assert "WEB_IMAGE" in caught.value.findings[0].remedy
    run.start(run.runtime(HELPER))
    other = Run(tmp_path_factory.mktemp("other"), run.project.name)
    with pytest.raises(UserError, match="runs from another folder already"):
        other.start(other.runtime(HELPER))


def test_a_volume_goes_out_and_in_again(run: Run) -> None:
    runtime = run.runtime(WEB, HELPER)
    run.start(runtime)
    assert runtime.exec("web", ["/bin/sh", "-c", "mkdir /data/a; echo kept >/data/a/file"], tty=False, user=None, env={}) == 0
    runtime.stop(None, progress=run.progress)
    out = io.BytesIO()
    with tempfile.TemporaryFile() as held:
        runtime.read_volume("web_data", held)
        held.seek(0)
        out.write(held.read())
    run.start(runtime)
    assert runtime.exec("web", ["/bin/sh", "-c", "echo other >/data/b; rm -r /data/a"], tty=False, user=None, env={}) == 0
    runtime.stop(None, progress=run.progress)
    out.seek(0)
    runtime.write_volume("web_data", out)
    run.start(runtime)
    look = ["/bin/sh", "-c", '[ "$(cat /data/a/file)" = kept ] && [ ! -e /data/b ]']
    assert runtime.exec("web", look, tty=False, user=None, env={}) == 0
