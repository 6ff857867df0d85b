"""A probe as a container's health check. It runs inside the image, so it uses the program the service says its image has."""

from __future__ import annotations

from typing import Any

from hookspecs import ExecProbe, HttpProbe, Service, TcpProbe


def asks_inside(service: Service) -> bool:
    """Whether the container itself can tell its health."""
    probe = service.probe
    return probe is not None and (isinstance(probe, ExecProbe) or probe.tool != "outside")


def healthcheck(service: Service) -> dict[str, Any] | None:
    """The ``healthcheck`` entry; ``None`` leaves the image's own. Where nself asks from outside, the image's own is off."""
    probe = service.probe
    if probe is None:
        return None
    if not asks_inside(service):
        return {"disable": True}
    return {
        "test": ["CMD", *_command(service, probe)],
        "interval": f"{probe.interval}s",
        "timeout": f"{probe.timeout}s",
        "retries": probe.retries,
        "start_period": f"{probe.start_period}s",
    }


def _command(service: Service, probe: HttpProbe | TcpProbe | ExecProbe) -> list[str]:
    if isinstance(probe, ExecProbe):
        return list(probe.command)
    port = service.port(probe.port).container
    if isinstance(probe, TcpProbe):
        ask = ["nc", "-z", "-w", str(probe.timeout), "127.0.0.1", str(port)]
        return ["bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}"] if probe.tool == "bash" else ask
    return _fetch(probe, f"http://127.0.0.1:{port}{probe.path}")


def _fetch(probe: HttpProbe, url: str) -> list[str]:
    if probe.tool == "curl":
        return ["curl", "-fsS", "-o", "/dev/null", "--max-time", str(probe.timeout), url]
    if probe.tool == "python":
        return ["python", "-c", f"import urllib.request as r; r.urlopen({url!r}, timeout={probe.timeout})"]
    if probe.tool == "node":
        answer = "r => process.exit(r.statusCode < 400 ? 0 : 1)"
        return ["node", "-e", f"require('http').get({url!r}, {answer}).on('error', () => process.exit(1))"]
    # Both GNU and busybox wget know these; some servers refuse HEAD, so the page is fetched.
    return ["wget", "-q", "-T", str(probe.timeout), "-O", "/dev/null", url]
