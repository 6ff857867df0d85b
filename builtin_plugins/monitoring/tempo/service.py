"""The trace store."""

from __future__ import annotations

from collections.abc import Iterator

from hookspecs import Capability, HttpProbe, Image, Limits, Mount, Port, Project, Ref, Scrape, Security, Service

NAME = "tempo"
VOLUME = "tempo_data"
FOLDER = "monitoring/tempo"


def contributions(project: Project) -> Iterator[Service]:
    """The trace store, where monitoring is on."""
    settings = project.settings
    if not settings["MONITORING_ENABLED"]:
        return
    origin = settings.because("TEMPO_VERSION")
    yield Service(
        name=NAME,
        category="monitoring",
        summary="Traces",
        image=Image(ref=f"grafana/tempo:{settings['TEMPO_VERSION']}"),
        no_native="no package index that nself uses has its program",
        command=("-config.file=/etc/tempo.yaml",),
        ports=(
            Port.of(settings, "TEMPO_PORT", 3200),
            Port.of(settings, "TEMPO_OTLP_GRPC_PORT", 4317, "otlp-grpc", protocol="grpc"),
            Port.of(settings, "TEMPO_OTLP_HTTP_PORT", 4318, "otlp-http"),
            Port.of(settings, "TEMPO_JAEGER_PORT", 14268, "jaeger"),
        ),
        provides={"traces": Capability(attributes={"url": Ref(service=NAME), "otlp": Ref(service=NAME, port="otlp-http")})},
        # Its image has no shell, so nothing in it can ask.
        probe=HttpProbe(path="/ready", tool="outside", start_period=60),
        mounts=(
            Mount(kind="volume", source=VOLUME, target="/var/tempo"),
            Mount(kind="bind", source=f"./{FOLDER}/tempo.yml", target="/etc/tempo.yaml", read_only=True),
        ),
        scalable=False,
        limits=Limits(memory=512 << 20),
        security=Security(read_only=True, tmpfs=("/tmp",)),  # noqa: S108  inside the container
        scrapes=(Scrape(),),
        provenance={"image": origin} if origin else {},
    )
