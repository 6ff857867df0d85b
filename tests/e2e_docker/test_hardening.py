"""Every line of hardening that a service's spec names is in force in its running container, and each exception has a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from builtin_plugins.runtimes.compose.runtime import Compose
from hookspecs import Service
from nself_core.workspace import Workspace
from tests.e2e_docker.conftest import Project, docker
from tests.e2e_docker.test_stack import services

pytestmark = pytest.mark.timeout(600)

#: Bits of the kernel's capability sets (include/uapi/linux/capability.h).
CAPABILITIES = {
    "CHOWN": 0, "DAC_OVERRIDE": 1, "DAC_READ_SEARCH": 2, "FOWNER": 3, "SETGID": 6, "SETUID": 7, "NET_BIND_SERVICE": 10,
}  # fmt: skip
_BOUNDING = "CapBnd"


@pytest.fixture(scope="module")
def specs(demo: Project) -> dict[str, Service]:
    demo("start", *services(demo), timeout=550)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in demo.environ.items():
            patch.setenv(name, value)
        runtime = Workspace.open(start=demo.folder).runtime("compose")
    assert isinstance(runtime, Compose)
    return {s.name: s for s in runtime.stack.services}


def status(container: dict[str, Any]) -> dict[str, str]:
    """What the kernel says of a container's first process."""
    lines = Path(f"/proc/{container['State']['Pid']}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def test_capabilities_and_privileges(demo: Project, specs: dict[str, Service]) -> None:
    for name, copies in demo.containers().items():
        security = specs[name].security
        assert security.cap_drop == ("ALL",), name
        allowed = sum(1 << CAPABILITIES[capability] for capability in security.cap_add)
        kernel = status(copies[0])
        assert int(kernel[_BOUNDING], 16) == allowed, name
        assert int(kernel["CapEff"], 16) & ~allowed == 0, name
        assert kernel["NoNewPrivs"] == "1", name
        assert kernel["Seccomp"] == "2", f"{name}: the engine's filter of system calls is on"
        assert not copies[0]["HostConfig"]["Privileged"]


def test_the_root_file_system_is_read_only(demo: Project, specs: dict[str, Service]) -> None:
    for name, copies in demo.containers().items():
        mounts = dict(line.split()[4:6] for line in Path(f"/proc/{copies[0]['State']['Pid']}/mountinfo").read_text().splitlines())
        assert mounts["/"].split(",")[0] == ("ro" if specs[name].security.read_only else "rw"), name
        for place in specs[name].security.tmpfs:
            assert mounts[place.partition(":")[0]].startswith("rw"), (name, place)
        wrote = docker("exec", copies[0]["Id"], "sh", "-c", "touch /etc/nself-was-here && echo wrote", check=False)
        assert (wrote == "wrote\n") is not specs[name].security.read_only or wrote == "", name


def test_who_it_runs_as_and_how_much_it_may_take(demo: Project, specs: dict[str, Service]) -> None:
    for name, copies in demo.containers().items():
        service = specs[name]
        kernel = status(copies[0])
        root = kernel["Uid"].split()[1] == "0"
        assert not root or service.security.reasons.get("user"), f"{name} runs as root, and its spec does not say why"
        assert copies[0]["HostConfig"]["PidsLimit"] == service.limits.pids > 0, name


def test_what_is_mounted(demo: Project, specs: dict[str, Service]) -> None:
    for name, copies in demo.containers().items():
        for mount in copies[0]["Mounts"]:
            assert "docker.sock" not in mount["Source"], name
            inside = Path(mount["Source"]).is_relative_to(demo.folder) or mount["Type"] == "volume"
            reasons = [m.reason for m in specs[name].mounts if m.target == mount["Destination"]]
            assert inside or any(reasons), (name, mount["Source"])
        for entry in ("PidMode", "IpcMode", "UTSMode", "UsernsMode"):
            assert copies[0]["HostConfig"][entry] != "host", (name, entry)
        assert copies[0]["HostConfig"]["NetworkMode"] == "demo-e2e_network"


def test_each_exception_has_its_reason(specs: dict[str, Service]) -> None:
    """Of every service of the fixture, those too that have no stand-in."""
    for name, service in specs.items():
        security = service.security
        if service.no_image:
            continue
        loosened = {"cap_add": bool(security.cap_add), "read_only": not security.read_only,
                    "no_new_privileges": not security.no_new_privileges, "cap_drop": security.cap_drop != ("ALL",)}  # fmt: skip
        for field, loose in loosened.items():
            assert not loose or security.reasons.get(field), (name, field)
        for mount in service.mounts:
            assert mount.reason or not mount.source.startswith("/"), (name, mount.source)
