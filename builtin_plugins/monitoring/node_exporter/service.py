"""Metrics of this machine."""

from __future__ import annotations

from collections.abc import Iterator

from hookspecs import (
    Alert,
    HttpProbe,
    Image,
    Join,
    Limits,
    Mount,
    Native,
    NativeProgram,
    Port,
    Program,
    Project,
    Ref,
    Scrape,
    Security,
    Service,
)

from ..panels import Panel, dashboard

NAME = "node-exporter"
_CPU = '100 * (1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m])))'
_MEMORY = "100 * (1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)"
_REAL = 'fstype!~"tmpfs|overlay|squashfs|ramfs"'
_DISK = f"100 * (1 - node_filesystem_avail_bytes{{{_REAL}}} / node_filesystem_size_bytes{{{_REAL}}})"


def contributions(project: Project) -> Iterator[Service]:
    """The machine's metrics, where monitoring is on."""
    settings = project.settings
    if not settings["MONITORING_ENABLED"]:
        return
    origin = settings.because("NODE_EXPORTER_VERSION")
    yield Service(
        name=NAME,
        category="monitoring",
        summary="Machine metrics",
        image=Image(ref=f"prom/node-exporter:{settings['NODE_EXPORTER_VERSION']}"),
        command=("--path.procfs=/host/proc", "--path.sysfs=/host/sys", "--path.rootfs=/rootfs"),
        native=Native(
            command=(Program(name=NAME), Join.of("--web.listen-address=127.0.0.1:", Ref(service=NAME, as_="port"))),
            programs=(
                NativeProgram(
                    name=NAME,
                    names=("prometheus-node-exporter", "node_exporter"),
                    install="apt-get install prometheus-node-exporter",
                ),
            ),
        ),
        ports=(Port.of(settings, "NODE_EXPORTER_PORT", 9100),),
        probe=HttpProbe(path="/metrics"),
        mounts=(
            Mount(kind="bind", source="/proc", target="/host/proc", read_only=True, reason="load, memory and CPU are told there"),
            Mount(kind="bind", source="/sys", target="/host/sys", read_only=True, reason="devices are told there"),
            Mount(
                kind="bind", source="/", target="/rootfs", read_only=True, reason="the fill of each file system is asked there"
            ),
        ),
        security=Security(read_only=True),
        scalable=False,
        limits=Limits(memory=128 << 20),
        scrapes=(Scrape(),),
        alerts=(
            Alert(name="HighCPUUsage", expr=f"{_CPU} > {settings['CPU_ALERT_THRESHOLD']}", summary="The CPU is busy"),
            Alert(name="HighMemoryUsage", expr=f"{_MEMORY} > {settings['MEMORY_ALERT_THRESHOLD']}", summary="Memory runs out"),
            Alert(
                name="LowDiskSpace",
                expr=f"{_DISK} > {settings['DISK_ALERT_THRESHOLD']}",
                severity="critical",
                summary="{{ $labels.mountpoint }} is nearly full",
            ),
        ),
        dashboards=(
            dashboard(
                "nself-system",
                "Resource usage",
                (
                    Panel("CPU", [(_CPU, "{{instance}}")], "percent"),
                    Panel("Memory", [(_MEMORY, "{{instance}}")], "percent"),
                    Panel("Disk", [(_DISK, "{{mountpoint}}")], "percent"),
                    Panel("Load", [("node_load1", "1 min"), ("node_load5", "5 min")]),
                ),
            ),
        ),
        provenance={"image": origin} if origin else {},
    )
