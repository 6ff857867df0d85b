"""The object storage slot: one service named ``minio``, whatever runs it, and a helper that makes its buckets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from builtin_plugins.optional.minio import seaweedfs
from hookspecs import (
    Backup,
    Capability,
    HttpProbe,
    Image,
    Join,
    Link,
    Mount,
    Need,
    Port,
    Ref,
    Route,
    Scrape,
    Secret,
    Security,
    Service,
    ServiceTarget,
    UserError,
)

if TYPE_CHECKING:
    from hookspecs import Project

NAME = "minio"
CLIENT = "minio-client"

#: Bucket names as S3 has them (Amazon S3 user guide, "General purpose bucket naming rules"), dots left out.
_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]\Z")

#: Makes each bucket and opens those that are public, for reading alone. Harmless when repeated.
_MAKE_BUCKETS = """\
for bucket in $BUCKETS; do mc mb --ignore-existing "store/$bucket"; done
for bucket in $PUBLIC_BUCKETS; do mc anonymous set download "store/$bucket"; done
"""


def contribution(project: Project) -> Iterator[Service | Route]:
    """The storage, its helper where it needs one, and its routes."""
    settings = project.settings
    buckets, public = _buckets(project)
    weed = project.runtime == "native" or settings["STORAGE_PROVIDER"] == "seaweedfs"
    storage = seaweedfs.service(project, buckets, public) if weed else _minio(project)
    yield storage.model_copy(update={"provides": {"s3": _capability(project, buckets)}})
    if project.runtime != "native" and buckets:
        yield _client(project, buckets, () if weed else public)
    yield Route(
        name="storage",
        host=project.host(settings["STORAGE_ROUTE"]),
        target=ServiceTarget(service=NAME),
        rate_zone="upload",
        max_body=f"{max(1, settings['STORAGE_MAX_FILE_SIZE'] // 2**20)}m",
        label="Object storage (S3)",
    )
    if not weed:
        yield Route(
            name="storage-console",
            host=project.host(settings["STORAGE_CONSOLE_ROUTE"]),
            target=ServiceTarget(service=NAME, port="console"),
            websocket=True,
            internal=not project.environment.is_dev,
            label="MinIO console",
        )


def _minio(project: Project) -> Service:
    settings = project.settings
    origin = settings.because("MINIO_VERSION")
    return Service(
        name=NAME,
        category="optional",
        summary="Object storage (S3)",
        image=Image(ref=f"minio/minio:{settings['MINIO_VERSION']}"),
        provenance={"image": origin} if origin else {},
        command=("server", "/data", "--console-address", ":9001"),
        env={
            "MINIO_ROOT_USER": settings["MINIO_ROOT_USER"],
            "MINIO_ROOT_PASSWORD": Secret(name="MINIO_ROOT_PASSWORD"),
            "MINIO_REGION": settings["MINIO_REGION"],
            "MINIO_SERVER_URL": settings["MINIO_ENDPOINT"],
            "MINIO_BROWSER_REDIRECT_URL": Ref(service=NAME, port="console", audience="public"),
            "MINIO_PROMETHEUS_AUTH_TYPE": "public",
        },
        ports=(
            Port.of(settings, "MINIO_PORT", 9000),
            Port.of(settings, "MINIO_CONSOLE_PORT", 9001, "console"),
        ),
        probe=HttpProbe(path="/minio/health/live", tool="curl", interval=10),
        mounts=(Mount(kind="volume", source=seaweedfs.VOLUME, target="/data"),),
        scalable=False,
        security=Security(
            cap_add=("CHOWN", "DAC_OVERRIDE", "FOWNER"),
            reasons={
                "user": "the image runs as root",
                "cap_add": "the image runs as root, and its data volume may belong to another user",
                "read_only": "the image keeps its own settings below /root",
            },
        ),
        scrapes=(Scrape(path="/minio/v2/metrics/cluster", job="minio"),),
        backup=Backup(method="volumes", volumes=(seaweedfs.VOLUME,)),
        links=(Link(label="MinIO console", port="console", dev_only=True),),
    )


def _client(project: Project, buckets: Sequence[str], public: Sequence[str]) -> Service:
    settings = project.settings
    address = (Ref(service=NAME, as_="host"), ":", Ref(service=NAME, as_="port"))
    user = (_percent(settings["MINIO_ROOT_USER"]), ":", Secret(name="MINIO_ROOT_PASSWORD", quote="url"), "@")
    return Service(
        name=CLIENT,
        category="optional",
        summary="Makes the buckets of the object storage",
        image=Image(ref=f"minio/mc:{settings['MINIO_CLIENT_VERSION']}"),
        no_native="the storage makes its buckets itself",
        entrypoint=("sh", "-ec"),
        command=(_MAKE_BUCKETS,),
        env={
            "MC_HOST_store": Join.of("http://", *user, *address),
            "MC_CONFIG_DIR": "/tmp/mc",  # noqa: S108  inside the container
            "BUCKETS": " ".join(buckets),
            "PUBLIC_BUCKETS": " ".join(public),
        },
        needs=(Need(service=NAME),),
        one_shot=True,
        restart="on-failure",
        security=Security(user="10001:10001", tmpfs=("/tmp",), read_only=True),  # noqa: S108  inside the container
    )


def _capability(project: Project, buckets: list[str]) -> Capability:
    settings = project.settings
    return Capability(
        attributes={
            "endpoint": Ref(service=NAME),
            "access_key": settings["MINIO_ROOT_USER"],
            "secret_key": Secret(name="MINIO_ROOT_PASSWORD"),
            "region": settings["MINIO_REGION"],
            "bucket": settings["S3_BUCKET"] or (buckets[0] if buckets else "uploads"),
        }
    )


def _buckets(project: Project) -> tuple[list[str], list[str]]:
    """The buckets to make, and those of them anyone may read. ``UserError`` for a name S3 does not take."""
    settings = project.settings
    buckets = list(dict.fromkeys(settings["MINIO_DEFAULT_BUCKETS"] or ()))
    if settings["S3_BUCKET"] and settings["S3_BUCKET"] not in buckets:
        buckets.append(settings["S3_BUCKET"])
    bad = [name for name in buckets if not _BUCKET.match(name)]
    if bad:
        raise UserError(
            f"{', '.join(bad)}: no name for a bucket",
            where=str(settings.origin("MINIO_DEFAULT_BUCKETS") or ""),
            remedy="MINIO_DEFAULT_BUCKETS takes names of 3 to 63 lower-case letters, digits and inner hyphens",
            code="bucket-name",
        )
    return buckets, [name for name in settings["MINIO_PUBLIC_BUCKETS"] or () if name in buckets]


def _percent(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")
