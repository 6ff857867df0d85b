"""The log shipper: Promtail, or Alloy where ``LOG_SHIPPER`` says so. The service keeps one name for either."""

from __future__ import annotations

from collections.abc import Iterator

from hookspecs import Image, Limits, Mount, Need, Port, Project, Scrape, Security, Service, TcpProbe, Value

from ..panels import Panel, dashboard

NAME = "promtail"
FOLDER = "monitoring/promtail"
LOGS = "/var/lib/docker/containers"


def alloy_wanted(project: Project) -> bool:
    """Whether Alloy ships the logs."""
    return bool(project.settings["LOG_SHIPPER"] == "alloy")


def contributions(project: Project) -> Iterator[Service]:
    """The log shipper, where monitoring is on."""
    settings = project.settings
    if not settings["MONITORING_ENABLED"]:
        return
    alloy = alloy_wanted(project)
    version = "ALLOY_VERSION" if alloy else "PROMTAIL_VERSION"
    origin = settings.because(version)
    image = f"grafana/{'alloy' if alloy else 'promtail'}:{settings[version]}"
    promtail: tuple[Value, ...] = ("-config.file=/etc/promtail/config.yml",)
    command: tuple[Value, ...] = (
        ("run", "--server.http.listen-addr=0.0.0.0:9080", "--storage.path=/tmp/alloy", "/etc/alloy/config.alloy")
        if alloy
        else promtail
    )
    config = ("config.alloy", "/etc/alloy/config.alloy") if alloy else ("config.yml", "/etc/promtail/config.yml")
    yield Service(
        name=NAME,
        category="monitoring",
        summary="Log shipping",
        image=Image(ref=image),
        no_native="its program is in no package index that nself uses, and the native runtime keeps logs in files of its own",
        command=command,
        ports=(Port(container=9080),),
        needs=(Need(capability="logs"),),
        # Its image has a shell with /dev/tcp, and neither wget nor curl.
        probe=TcpProbe(port="http", tool="bash"),
        mounts=(
            Mount(kind="bind", source=f"./{FOLDER}/{config[0]}", target=config[1], read_only=True),
            Mount(
                kind="bind",
                source=LOGS,
                target=LOGS,
                read_only=True,
                reason="the containers' log lines are files there, and reading them needs no Docker socket",
            ),
        ),
        security=Security(
            user="0:0",
            cap_add=("DAC_READ_SEARCH",),
            read_only=True,
            tmpfs=("/tmp",),  # noqa: S108  inside the container
            reasons={
                "user": "the containers' log files belong to root",
                "cap_add": "the containers' log files are readable by root alone",
            },
        ),
        scalable=False,
        limits=Limits(memory=256 << 20),
        scrapes=(Scrape(),),
        dashboards=(
            dashboard(
                "nself-logs",
                "Logs explorer",
                (
                    Panel("Lines per second", [('sum by (stream) (rate({job="containers"}[5m]))', "{{stream}}")], source="loki"),
                    Panel("Errors", [('{job="containers"} |~ "(?i)error"', "")], kind="logs", source="loki"),
                    Panel("All lines", [('{job="containers"}', "")], kind="logs", source="loki"),
                ),
            ),
        ),
        provenance={"image": origin} if origin else {},
    )
