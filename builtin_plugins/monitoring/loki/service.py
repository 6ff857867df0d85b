"""The log store."""

from __future__ import annotations

from collections.abc import Iterator

from hookspecs import Capability, HttpProbe, Image, Limits, Mount, Port, Project, Ref, Scrape, Security, Service

NAME = "loki"
VOLUME = "loki_data"
FOLDER = "monitoring/loki"
_MEMORY = {"dev": 384, "staging": 512, "prod": 512}  # MiB


def contributions(project: Project) -> Iterator[Service]:
    """The log store, where monitoring is on."""
    settings = project.settings
    if not settings["MONITORING_ENABLED"]:
        return
    origin = settings.because("LOKI_VERSION")
    yield Service(
        name=NAME,
        category="monitoring",
        summary="Logs",
        image=Image(ref=f"grafana/loki:{settings['LOKI_VERSION']}"),
        no_native="no package index that nself uses has its program",
        command=("-config.file=/etc/loki/local-config.yaml",),
        ports=(Port.of(settings, "LOKI_PORT", 3100),),
        provides={"logs": Capability(attributes={"url": Ref(service=NAME)})},
        probe=HttpProbe(path="/ready", start_period=60),
        mounts=(
            Mount(kind="volume", source=VOLUME, target="/loki"),
            Mount(kind="bind", source=f"./{FOLDER}/local-config.yaml", target="/etc/loki/local-config.yaml", read_only=True),
        ),
        scalable=False,
        limits=Limits(memory=_MEMORY[project.environment.cls] << 20),
        security=Security(read_only=True, tmpfs=("/tmp",)),  # noqa: S108  inside the container
        scrapes=(Scrape(),),
        provenance={"image": origin} if origin else {},
    )
