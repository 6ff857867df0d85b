"""The search engine's service and route."""

from __future__ import annotations

from collections.abc import Iterator

from hookspecs import (
    Backup,
    Capability,
    HttpProbe,
    Image,
    Limits,
    Link,
    Mount,
    Port,
    Project,
    Ref,
    Route,
    Secret,
    Security,
    Service,
    ServiceTarget,
)

NAME = "meilisearch"
VOLUME = "meilisearch_data"


def contributions(project: Project) -> Iterator[Service | Route]:
    """The search engine, where search is on."""
    settings = project.settings
    if not settings["SEARCH_ENABLED"]:
        return
    origin = settings.because("MEILISEARCH_VERSION")
    key = Secret(name="MEILISEARCH_MASTER_KEY")
    yield Service(
        name=NAME,
        category="optional",
        summary="Full-text search",
        image=Image(ref=f"getmeili/meilisearch:{settings['MEILISEARCH_VERSION']}"),
        no_native="no package index that nself uses has its program",
        env={
            "MEILI_MASTER_KEY": key,
            "MEILI_ENV": settings["MEILISEARCH_ENV"],
            "MEILI_HTTP_ADDR": "0.0.0.0:7700",
            "MEILI_NO_ANALYTICS": "true",
        },
        ports=(Port.of(settings, "MEILISEARCH_PORT", 7700),),
        provides={"search": Capability(attributes={"url": Ref(service=NAME), "key": key})},
        probe=HttpProbe(path="/health", tool="curl"),
        mounts=(Mount(kind="volume", source=VOLUME, target="/meili_data"),),
        scalable=False,
        limits=Limits(memory=1 << 30),
        security=Security(
            read_only=True,
            tmpfs=("/tmp",),  # noqa: S108  inside the container
            reasons={"user": "the image runs as root, and its data volume is root's"},
        ),
        backup=Backup(method="volumes", volumes=(VOLUME,)),
        links=(Link(label="Search"),),
        provenance={"image": origin} if origin else {},
    )
    yield Route(name=NAME, host=project.host(settings["SEARCH_ROUTE"]), target=ServiceTarget(service=NAME), label="Search")
