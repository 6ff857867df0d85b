"""Metrics of containers, read from the kernel's control groups: without the Docker socket, so by id and not by name."""

from __future__ import annotations

from collections.abc import Iterator

from hookspecs import Alert, HttpProbe, Image, Limits, Mount, Port, Project, Scrape, Security, Service

from ..panels import Panel, dashboard

NAME = "cadvisor"
#: Docker's containers under either driver of control groups.
_ONES = 'id=~"/docker/.+|/system.slice/docker-.+"'


def contributions(project: Project) -> Iterator[Service]:
    """The container metrics, where monitoring is on."""
    settings = project.settings
    if not settings["MONITORING_ENABLED"]:
        return
    origin = settings.because("CADVISOR_VERSION")
    yield Service(
        name=NAME,
        category="monitoring",
        summary="Container metrics",
        image=Image(ref=f"gcr.io/cadvisor/cadvisor:{settings['CADVISOR_VERSION']}"),
        no_native="it watches containers, and the native runtime has none",
        command=("--docker_only=false", "--store_container_labels=false", "--housekeeping_interval=30s"),
        ports=(Port.of(settings, "CADVISOR_PORT", 8080),),
        probe=HttpProbe(path="/healthz"),
        mounts=(
            Mount(kind="bind", source="/sys", target="/sys", read_only=True, reason="the control groups of containers are there"),
            Mount(
                kind="bind",
                source="/var/lib/docker",
                target="/var/lib/docker",
                read_only=True,
                reason="the disk that containers use is measured there",
            ),
        ),
        security=Security(
            cap_add=("DAC_READ_SEARCH",),
            read_only=True,
            tmpfs=("/tmp",),  # noqa: S108  in its container
            reasons={
                "user": "the control groups and the disk of other users' containers are read",
                "cap_add": "/var/lib/docker is readable by root alone",
            },
        ),
        scalable=False,
        limits=Limits(memory=256 << 20),
        scrapes=(Scrape(),),
        alerts=(
            Alert(
                name="ContainerHighMemory",
                expr=f"container_memory_working_set_bytes{{{_ONES}}} / (container_spec_memory_limit_bytes{{{_ONES}}} > 0) > 0.9",
                summary="A container uses more than 90 % of its memory limit ({{ $labels.id }})",
            ),
            Alert(
                name="ContainerRestarting",
                expr=f"changes(container_start_time_seconds{{{_ONES}}}[15m]) > 3",
                summary="A container keeps restarting ({{ $labels.id }})",
            ),
        ),
        dashboards=(
            dashboard(
                "nself-containers",
                "Container overview",
                (
                    Panel(
                        "CPU",
                        [(f"100 * sum by (id) (rate(container_cpu_usage_seconds_total{{{_ONES}}}[5m]))", "{{id}}")],
                        "percent",
                    ),
                    Panel("Memory", [(f"container_memory_working_set_bytes{{{_ONES}}}", "{{id}}")], "bytes"),
                    Panel(
                        "Network received",
                        [(f"sum by (id) (rate(container_network_receive_bytes_total{{{_ONES}}}[5m]))", "{{id}}")],
                        "Bps",
                    ),
                    Panel(
                        "Network sent",
                        [(f"sum by (id) (rate(container_network_transmit_bytes_total{{{_ONES}}}[5m]))", "{{id}}")],
                        "Bps",
                    ),
                ),
            ),
        ),
        provenance={"image": origin} if origin else {},
    )
