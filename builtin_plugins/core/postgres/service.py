"""The database as a service: one spec for containers and for local processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from builtin_plugins.core.postgres.extensions import preload
from builtin_plugins.core.postgres.version import NATIVE_MAJOR, image, major, volume_target
from hookspecs import (
    Backup,
    Capability,
    ExecProbe,
    Image,
    Join,
    Limits,
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
    UserError,
    Value,
)

if TYPE_CHECKING:
    from hookspecs import Project

NAME = "postgres"
VOLUME = "postgres_data"

_PROGRAMS = ("postgres", "initdb", "psql", "pg_isready", "pg_controldata", "pg_dump", "pg_dumpall")


def database(project: Project) -> str:
    """The database's name: ``POSTGRES_DB``, else the project's with underscores."""
    return str(project.settings["POSTGRES_DB"] or project.name.replace("-", "_"))


def service(project: Project) -> Service:
    """Build the spec. ``UserError`` for a TLS mode that a database without TLS cannot serve."""
    settings = project.settings
    user, name, release = str(settings["POSTGRES_USER"]), database(project), major(project)
    _check_ssl_mode(project)
    tuning = _tuning(project)
    return Service(
        name=NAME,
        category="core",
        summary="PostgreSQL with pgvector",
        image=Image(ref=image(project)),
        command=("postgres", *tuning),
        native=_native(tuning) if release == NATIVE_MAJOR else None,
        no_native=""
        if release == NATIVE_MAJOR
        else f"POSTGRES_VERSION asks for PostgreSQL {release}; the native runtime has {NATIVE_MAJOR}",
        provenance={"image": origin} if (origin := settings.because("POSTGRES_VERSION")) else {},
        env={
            "POSTGRES_DB": name,
            "POSTGRES_USER": user,
            "POSTGRES_PASSWORD": Secret(name="POSTGRES_PASSWORD"),
            "POSTGRES_HOST_AUTH_METHOD": "scram-sha-256",
            # so that psql needs no argument in `nself exec postgres psql`
            "PGUSER": user,
            "PGDATABASE": name,
        },
        ports=(_port(project),),
        provides={"sql": _capability(project, user, name)},
        # Over TCP: while the image's entry point initialises the database it listens on a socket file alone.
        probe=ExecProbe(
            command=("pg_isready", "-q", "-h", "127.0.0.1", "-p", "5432", "-U", user, "-d", name),
            native=(Program(name="pg_isready"), "-q", "-h", "127.0.0.1", "-p", Ref(service=NAME, port="tcp", as_="port"),
                    "-U", user, "-d", name),
            interval=5,
            retries=6,
            start_period=60,
        ),
        mounts=(
            Mount(kind="volume", source=VOLUME, target=volume_target(release)),
            Mount(kind="tmpfs", target="/dev/shm"),  # noqa: S108  the default of 64 MB breaks parallel queries
        ),
        scalable=False,
        limits=Limits(pids=1024),
        security=Security(
            cap_add=("CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"),
            read_only=True,
            tmpfs=("/tmp", "/run/postgresql"),  # noqa: S108  inside the container
            reasons={"cap_add": "the image's entry point owns the data folder as root, then becomes the user postgres"},
        ),
        backup=Backup(
            method="sql-dump",
            volumes=(VOLUME,),
            dump="builtin_plugins.core.postgres.dump:dump",
            restore="builtin_plugins.core.postgres.dump:restore",
        ),
        stop_grace=60,
        rekey={"POSTGRES_PASSWORD": "builtin_plugins.core.postgres.rekey:rekey"},
        migrator="builtin_plugins.core.postgres.migrator:Migrator",
    )  # fmt: skip


def _port(project: Project) -> Port:
    settings = project.settings
    published = project.environment.is_dev and settings["POSTGRES_EXPOSE_PORT"] != "false"
    port = Port.of(settings, "POSTGRES_PORT", 5432, "tcp", protocol="tcp")
    return port if published else port.model_copy(update={"host": None, "explicit": False})


def _capability(project: Project, user: str, name: str) -> Capability:
    from urllib.parse import quote

    host, port = Ref(service=NAME, port="tcp", as_="host"), Ref(service=NAME, port="tcp", as_="port")
    secret = Secret(name="POSTGRES_PASSWORD", quote="url")
    mode = project.settings["POSTGRES_SSL_MODE"]
    url = Join.of(
        f"postgresql://{quote(user, safe='')}:", secret, "@", host, ":", port, f"/{quote(name, safe='')}?sslmode={mode}"
    )
    return Capability(
        attributes={
            "url": url,
            "host": host,
            "port": port,
            "user": user,
            "password": Secret(name="POSTGRES_PASSWORD"),
            "database": name,
        }
    )


def _tuning(project: Project) -> tuple[str, ...]:
    settings = project.settings
    wanted = {
        "max_connections": settings["POSTGRES_MAX_CONNECTIONS"],
        "shared_buffers": _kilobytes(settings["POSTGRES_SHARED_BUFFERS"]),
        "effective_cache_size": _kilobytes(settings["POSTGRES_EFFECTIVE_CACHE_SIZE"]),
        "work_mem": _kilobytes(settings["POSTGRES_WORK_MEM"]),
        "maintenance_work_mem": _kilobytes(settings["POSTGRES_MAINTENANCE_WORK_MEM"]),
    }
    libraries = preload(project)
    if libraries:
        wanted["shared_preload_libraries"] = ",".join(libraries)
    return tuple(part for key, value in wanted.items() for part in ("-c", f"{key}={value}"))


def _kilobytes(size: int) -> str:
    """A size as PostgreSQL writes it; its unit kB is 1024 bytes."""
    return f"{int(size) // 1024}kB"


def _native(tuning: tuple[str, ...]) -> Native:
    data = Place(of="volume", name=VOLUME)
    port = Ref(service=NAME, port="tcp", as_="port")
    # No socket file: its path may be no longer than 107 bytes, and a project's folder may lie deeper than that.
    command: tuple[Value, ...] = (
        Program(name="postgres"), "-D", data, "-p", port, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
        *tuning,
    )  # fmt: skip
    return Native(
        command=command,
        programs=tuple(
            NativeProgram(
                name=name,
                locate=f"builtin_plugins.core.postgres.programs:{name}",
                install="pip install 'nself[native]'",
            )
            for name in _PROGRAMS
        ),
        check="builtin_plugins.core.postgres.prepare:check",
        prepare="builtin_plugins.core.postgres.prepare:prepare",
        env={
            "PGHOST": "127.0.0.1",
            "PGPORT": port,
            "PGPASSWORD": Secret(name="POSTGRES_PASSWORD"),
        },
        drop_root=True,
        stop_signal="INT",  # fast shutdown: TERM would wait until every client has gone
        reload_signal="HUP",
    )


def _check_ssl_mode(project: Project) -> None:
    mode = project.settings["POSTGRES_SSL_MODE"]
    if mode in {"disable", "allow", "prefer"}:
        return
    origin = project.settings.origin("POSTGRES_SSL_MODE")
    raise UserError(
        f"POSTGRES_SSL_MODE={mode} asks for TLS, which the project's own database does not speak",
        where=str(origin or ""),
        remedy="leave it out: the database is reached inside the project's private network alone",
        code="postgres-ssl-mode",
    )
