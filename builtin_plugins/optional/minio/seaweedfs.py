"""SeaweedFS in the storage slot: in a container, and as a local process."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hookspecs import (
    Backup,
    HttpProbe,
    Image,
    Join,
    Mount,
    Native,
    NativeProgram,
    Place,
    Port,
    Program,
    Ref,
    Secret,
    Security,
    Service,
    Value,
)

if TYPE_CHECKING:
    from hookspecs import NativeContext, Project

NAME = "minio"
VOLUME = "minio_data"

#: The parts of SeaweedFS that speak to each other: name of the port → option, usual port. Their gRPC ports: see ``sockets``.
_INNER = {
    "master": ("master.port", 9333),
    "volume": ("volume.port", 9340),
    "filer": ("filer.port", 8888),
    "admin": ("admin.port", 23646),
}

#: The file of options that are chosen when it starts, in its scratch folder.
_OPTIONS = "weed.options"

#: In the container only the S3 API listens on the network; the inner parts ask for no key and stay on loopback.
_START = """\
umask 077
printf %s "$S3_CONFIG" > /tmp/s3.json
exec weed server -dir=/data -s3 -s3.port=9000 -s3.ip.bind=0.0.0.0 -s3.config=/tmp/s3.json -ip=127.0.0.1 -ip.bind=127.0.0.1 \
-master.telemetry=false -master.volumeSizeLimitMB=1024 -volume.max=0 -s3.port.iceberg=0 -s3.port.lance=0
"""


def service(project: Project, buckets: list[str], public: list[str]) -> Service:
    """Build the spec. The inner ports are declared natively alone, where each needs a port of the machine."""
    settings = project.settings
    native = project.runtime == "native"
    origin = settings.because("SEAWEEDFS_VERSION")
    inner = tuple(Port(name=name, container=number) for name, (_, number) in _INNER.items()) if native else ()
    return Service(
        name=NAME,
        category="optional",
        summary="Object storage (S3) by SeaweedFS",
        image=Image(ref=f"chrislusf/seaweedfs:{settings['SEAWEEDFS_VERSION']}"),
        provenance={"image": origin} if origin else {},
        entrypoint=("sh", "-ec"),
        command=(_START,),
        native=_native(settings["MINIO_ENDPOINT"], buckets),
        env={"S3_CONFIG": _identities(settings["MINIO_ROOT_USER"], public)},
        ports=(Port.of(settings, "MINIO_PORT", 9000), *inner),
        probe=HttpProbe(path="/healthz", tool="wget", interval=10),
        mounts=(Mount(kind="volume", source=VOLUME, target="/data"),),
        scalable=False,
        security=Security(
            cap_add=("CHOWN", "DAC_OVERRIDE", "FOWNER"),
            tmpfs=("/tmp",),  # noqa: S108  inside the container
            reasons={
                "user": "the image runs as root",
                "cap_add": "the image runs as root, and its data volume may belong to another user",
                "read_only": "the image keeps its own settings below /root",
            },
        ),
        backup=Backup(method="volumes", volumes=(VOLUME,), portable=True),
    )


def _native(endpoint: str | None, buckets: list[str]) -> Native:
    def port(name: str) -> Value:
        return Ref(service=NAME, port=name, as_="port")

    inner = tuple(Join.of(f"-{option}=", port(name)) for name, (option, _) in _INNER.items())
    command: tuple[Value, ...] = (
        Program(name="weed"), "-logtostderr=true", "mini",
        Join.of("-options=", Place(of="run", name=_OPTIONS)), Join.of("-dir=", Place(of="volume", name=VOLUME)),
        "-ip=127.0.0.1", "-ip.bind=127.0.0.1", Join.of("-s3.port=", port("http")), *inner,
        Join.of("-s3.config=", Place(of="run", name="s3.json")), "-s3.port.iceberg=0", "-s3.port.lance=0",
        "-admin.ui=false", "-webdav=false", "-master.telemetry=false", f"-bucket={','.join(buckets)}",
        *((f"-s3.externalUrl={endpoint}",) if endpoint else ()),
    )  # fmt: skip
    return Native(
        command=command,
        programs=(
            NativeProgram(
                name="weed",
                locate="builtin_plugins.optional.minio.seaweedfs:weed",
                names=("weed",),
                install="pip install 'nself[native]'",
            ),
        ),
        prepare="builtin_plugins.optional.minio.seaweedfs:prepare",
        cwd=Place(of="run"),
        drop_root=True,
        stands_for="SeaweedFS",
    )


def weed() -> str | None:
    """SeaweedFS's program beside this Python, where its wheel puts it."""
    import sys
    from pathlib import Path

    beside = Path(sys.executable).parent / "weed"
    return str(beside) if beside.exists() else None


def prepare(context: NativeContext) -> None:
    """Write who may do what, which holds the secret key, and the ports that are chosen for each start."""
    context.write(context.place("run", "s3.json"), context.env["S3_CONFIG"])
    from builtin_plugins.optional.minio import sockets

    file = context.place("run", _OPTIONS)
    context.write(file, sockets.options(file, set(context.stack.ports.ports.values())))


def _identities(user: str, public: list[str]) -> Join:
    """SeaweedFS's S3 configuration: the administrator, and reading without a key for the public buckets."""
    everything = ["Admin", "Read", "Write", "List", "Tagging"]
    anonymous = {"name": "anonymous", "actions": [f"Read:{bucket}" for bucket in public]}
    mark = "@secret@"
    admin = {"name": "admin", "credentials": [{"accessKey": user, "secretKey": mark}], "actions": everything}
    before, after = json.dumps({"identities": [admin, *([anonymous] if public else [])]}).split(mark)
    return Join.of(before, Secret(name="MINIO_ROOT_PASSWORD", quote="json"), after)
