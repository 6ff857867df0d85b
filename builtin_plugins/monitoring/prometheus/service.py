"""The metrics service, its route, and the alerts and dashboard about services as such."""

from __future__ import annotations

from collections.abc import Iterator

from hookspecs import (
    Alert,
    Capability,
    Dashboard,
    HttpProbe,
    Image,
    Join,
    Limits,
    Link,
    Mount,
    Native,
    NativeProgram,
    Place,
    Port,
    Program,
    Project,
    Ref,
    Route,
    Scrape,
    Security,
    Service,
    ServiceTarget,
    Value,
)

from ..panels import Panel, dashboard

NAME = "prometheus"
VOLUME = "prometheus_data"
FOLDER = {"compose": "monitoring/prometheus", "native": "prometheus"}
_MEMORY = {"dev": 512, "staging": 768, "prod": 1024}  # MiB


def folder(project: Project) -> str:
    """Where its files are rendered: in the project for containers, in the native configuration folder else."""
    return FOLDER["native" if project.runtime == "native" else "compose"]


def contributions(project: Project) -> Iterator[Service | Route]:
    """The metrics service, where monitoring is on."""
    settings = project.settings
    if not settings["MONITORING_ENABLED"]:
        return
    origin = settings.because("PROMETHEUS_VERSION")
    retention = settings["PROMETHEUS_RETENTION"]
    yield Service(
        name=NAME,
        category="monitoring",
        summary="Metrics",
        image=Image(ref=f"prom/prometheus:{settings['PROMETHEUS_VERSION']}"),
        command=(
            "--config.file=/etc/prometheus/prometheus.yml",
            "--storage.tsdb.path=/prometheus",
            f"--storage.tsdb.retention.time={retention}",
            "--web.enable-lifecycle",
        ),
        native=_native(retention),
        ports=(Port.of(settings, "PROMETHEUS_PORT", 9090),),
        provides={"metrics": Capability(attributes={"url": Ref(service=NAME)})},
        probe=HttpProbe(path="/-/healthy"),
        mounts=(
            Mount(kind="volume", source=VOLUME, target="/prometheus"),
            Mount(kind="bind", source=f"./{FOLDER['compose']}", target="/etc/prometheus", read_only=True),
        ),
        scalable=False,
        limits=Limits(memory=_MEMORY[project.environment.cls] << 20),
        security=Security(read_only=True),
        scrapes=(Scrape(),),
        alerts=(_down(settings["SERVICE_DOWN_THRESHOLD"]),),
        dashboards=(_dashboard(),),
        links=(Link(label="Metrics"),),
        provenance={"image": origin} if origin else {},
    )
    yield Route(
        name=NAME,
        host=project.host(settings["PROMETHEUS_ROUTE"]),
        target=ServiceTarget(service=NAME),
        internal=True,
        label="Metrics",
    )


def _native(retention: str) -> Native:
    command: tuple[Value, ...] = (
        Program(name=NAME),
        Join.of("--config.file=", Place(of="config", name=f"{FOLDER['native']}/prometheus.yml")),
        Join.of("--storage.tsdb.path=", Place(of="volume", name=VOLUME)),
        f"--storage.tsdb.retention.time={retention}",
        Join.of("--web.listen-address=127.0.0.1:", Ref(service=NAME, as_="port")),
    )
    return Native(
        command=command,
        programs=(NativeProgram(name=NAME, names=("prometheus",), install="apt-get install prometheus"),),
        reload_signal="HUP",
    )


def _down(seconds: int) -> Alert:
    return Alert(
        name="ServiceDown",
        expr="up == 0",
        for_=f"{seconds}s",
        severity="critical",
        summary="{{ $labels.job }} does not answer",
    )


def _dashboard() -> Dashboard:
    return dashboard(
        "nself-services",
        "Service health",
        (
            Panel("Answering", [("up", "{{job}}")], kind="stat"),
            Panel("Scrape time", [("scrape_duration_seconds", "{{job}}")], unit="s"),
            Panel("Alerts firing", [('sum by (alertname) (ALERTS{alertstate="firing"})', "{{alertname}}")]),
            Panel("Samples per scrape", [("scrape_samples_scraped", "{{job}}")]),
        ),
    )
