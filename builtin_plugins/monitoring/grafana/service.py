"""The dashboards' service and route."""

from __future__ import annotations

from collections.abc import Iterator

from hookspecs import (
    HttpProbe,
    Image,
    Limits,
    Link,
    Mount,
    Need,
    Port,
    Project,
    Ref,
    Route,
    Secret,
    Security,
    Service,
    ServiceTarget,
)

NAME = "grafana"
VOLUME = "grafana_data"
FOLDER = "monitoring/grafana"
_MEMORY = {"dev": 256, "staging": 384, "prod": 512}  # MiB


def contributions(project: Project) -> Iterator[Service | Route]:
    """The dashboards, where monitoring is on."""
    settings = project.settings
    if not settings["MONITORING_ENABLED"]:
        return
    origin = settings.because("GRAFANA_VERSION")
    plugins = settings["GRAFANA_PLUGINS"]
    yield Service(
        name=NAME,
        category="monitoring",
        summary="Dashboards",
        image=Image(ref=f"grafana/grafana:{settings['GRAFANA_VERSION']}"),
        no_native="no package index that nself uses has its program",
        env={
            "GF_SECURITY_ADMIN_USER": settings["GRAFANA_ADMIN_USER"],
            "GF_SECURITY_ADMIN_PASSWORD": Secret(name="GRAFANA_ADMIN_PASSWORD"),
            "GF_INSTALL_PLUGINS": ",".join(plugins) if plugins else None,
            "GF_SERVER_ROOT_URL": settings["GRAFANA_ROOT_URL"] or Ref(service=NAME, audience="public"),
            "GF_ANALYTICS_REPORTING_ENABLED": "false",
            "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
            "GF_USERS_ALLOW_SIGN_UP": "false",
        },
        rekey={"GRAFANA_ADMIN_PASSWORD": "builtin_plugins.monitoring.grafana.rekey:rekey"},
        ports=(Port.of(settings, "GRAFANA_PORT", 3000),),
        needs=(
            Need(capability="metrics", required=False),
            Need(capability="logs", required=False, condition="started"),
            Need(capability="traces", required=False, condition="started"),
        ),
        probe=HttpProbe(path="/api/health", start_period=60),
        mounts=(
            Mount(kind="volume", source=VOLUME, target="/var/lib/grafana"),
            Mount(kind="bind", source=f"./{FOLDER}/provisioning", target="/etc/grafana/provisioning", read_only=True),
            Mount(kind="bind", source=f"./{FOLDER}/dashboards", target="/etc/grafana/dashboards", read_only=True),
        ),
        scalable=False,
        limits=Limits(memory=_MEMORY[project.environment.cls] << 20),
        security=Security(read_only=True, tmpfs=("/tmp", "/var/log/grafana")),  # noqa: S108  inside the container
        links=(Link(label="Dashboards"),),
        provenance={"image": origin} if origin else {},
    )
    yield Route(
        name=NAME,
        host=project.host(settings["GRAFANA_ROUTE"]),
        target=ServiceTarget(service=NAME),
        websocket=True,
        label="Dashboards",
    )
