"""The Service model: one long-running or one-shot thing, said once for every runtime."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from hookspecs.models.base import Model, Name
from hookspecs.models.settings import Origin, Settings
from hookspecs.models.values import Value

Category = Literal["core", "optional", "monitoring", "custom", "plugin", "tool"]


class Image(Model):
    """A container image, pinned. ``checked`` says whether this pin was ever pulled and started by our tests."""

    ref: str
    checked: bool = False


class Build(Model):
    """An image built from a folder of the project. Paths are relative to the project's root."""

    context: str
    dockerfile: str = "Dockerfile"
    target: str | None = None
    args: Mapping[str, str] = {}


class Port(Model):
    """A port the service listens on.

    ``container`` is where it listens in its container; ``host`` is the wished port on this machine (``None``: the
    service is not published, and the native runtime picks one). ``edge`` marks the public face (a reverse proxy): the only
    kind that is published outside dev. ``variable`` names the setting that moved it, for messages.
    """

    name: str = "http"
    protocol: Literal["http", "grpc", "tcp"] = "http"
    container: int = Field(ge=1, le=65535)
    host: int | None = Field(default=None, ge=1, le=65535)
    fallback: int | None = Field(default=None, ge=1024, le=65535)
    """Taken where ``host`` may not be bound (a port below 1024 without the right to it)."""
    bind: str = "127.0.0.1"
    edge: bool = False
    explicit: bool = False
    """Whether the user chose the host port: it is then reserved first and never moved silently."""
    variable: str | None = None

    @classmethod
    def of(cls, settings: Settings, variable: str, container: int, name: str = "http", **fields: Any) -> Port:
        """The port whose host port a setting holds; it is ``explicit`` where the user gave that setting."""
        return cls(
            name=name,
            container=container,
            host=settings[variable],
            explicit=settings.is_provided(variable),
            variable=variable,
            **fields,
        )


class Capability(Model):
    """Something a service offers to others, as attributes that ``Get`` reads.

    The names in use: ``sql`` (url host port user password database), ``graphql`` (url admin_secret jwt_secret jwt_previous),
    ``auth`` (url jwt_key jwt_type), ``cache`` (url host port password), ``s3`` (endpoint access_key secret_key region bucket),
    ``smtp`` (host port user password secure), ``search`` (url key), ``metrics`` (url), ``logs`` (url), ``traces`` (url),
    ``functions`` (url), ``plugins`` (url). ``priority``: where several offer one, the highest wins; equal ones are an error.
    """

    attributes: Mapping[str, Value] = {}
    priority: int = 0


class Need(Model):
    """A need upon another service (by name) or upon whoever provides a capability.

    ``required=False`` is a soft need: it orders the start where the other is there and is absent otherwise.
    ``idle`` is for a service that has nothing to do without the other (an exporter): where the other is missing or cannot run,
    the service is unavailable for this reason, and that is no error.
    """

    service: Name | None = None
    capability: str | None = None
    condition: Literal["started", "healthy", "completed"] = "healthy"
    required: bool = True
    idle: str = ""


class _ProbeBase(Model):
    interval: int = 10
    """Seconds between two probes."""
    timeout: int = 5
    retries: int = 6
    start_period: int = 30
    """Seconds in which a failing probe does not count."""


class HttpProbe(_ProbeBase):
    """Healthy when ``GET path`` answers below 400.

    ``tool`` is the program of the image that can ask (containers run probes inside); ``outside`` where the image has none,
    and nself asks from the host.
    """

    kind: Literal["http"] = "http"
    port: str = "http"
    path: str = "/"
    tool: Literal["wget", "curl", "python", "node", "outside"] = "wget"


class TcpProbe(_ProbeBase):
    """Healthy when the port accepts a connection."""

    kind: Literal["tcp"] = "tcp"
    port: str = "tcp"
    tool: Literal["nc", "bash", "outside"] = "nc"


class ExecProbe(_ProbeBase):
    """Healthy when the command exits 0. ``native`` is its form under the native runtime (``None``: the first port's TCP)."""

    kind: Literal["exec"] = "exec"
    command: tuple[str, ...]
    native: tuple[Value, ...] | None = None


Probe = Annotated[HttpProbe | TcpProbe | ExecProbe, Field(discriminator="kind")]


class Mount(Model):
    """Something mounted into the container.

    ``volume``: ``source`` names a data volume of the project (``postgres_data``), also a folder natively; ``bind``: a path of the
    project, or an absolute host path, which then needs a ``reason``; ``anonymous``: a volume without a name; ``tmpfs``.
    """

    kind: Literal["volume", "bind", "anonymous", "tmpfs"]
    target: str
    source: str = ""
    read_only: bool = False
    reason: str = ""
    """Why a host path outside the project must be seen by the container."""

    @model_validator(mode="after")
    def _reasoned(self) -> Mount:
        if self.kind == "bind" and self.source.startswith("/") and not self.reason:
            raise ValueError(f"{self.source} is a path of the machine: `reason` must say why the container sees it")
        return self


class Limits(Model):
    """Upper bounds: bytes of memory, CPUs (1.0 is one core), processes."""

    memory: int | None = None
    cpus: float | None = None
    pids: int | None = 512


class Security(Model):
    """Hardening. The default is the strictest; each loosening is a field and has its reason in ``reasons``."""

    user: str | None = None
    """``uid[:gid]`` or a name; ``None`` leaves the image's own user."""
    cap_drop: tuple[str, ...] = ("ALL",)
    cap_add: tuple[str, ...] = ()
    read_only: bool = False
    tmpfs: tuple[str, ...] = ()
    no_new_privileges: bool = True
    reasons: Mapping[str, str] = {}
    """Field name → why it is looser than the default."""


class Scrape(Model):
    """A Prometheus endpoint of the service."""

    port: str = "http"
    path: str = "/metrics"
    job: str = ""
    """Job name, the service's own name where empty."""


class Dashboard(Model):
    """A Grafana dashboard as its JSON model (schema version 39)."""

    title: str
    content: Mapping[str, object]


class Alert(Model):
    """A Prometheus alerting rule."""

    name: str
    expr: str
    for_: str = "5m"
    severity: Literal["warning", "critical"] = "warning"
    summary: str = ""


class Backup(Model):
    """What a backup of this service is: a dump by the service's own tool, or the named volumes.

    ``dump`` and ``restore`` name functions ``"package.module:function"`` that are called with a ``DataAccess`` and the path of
    one file, while the service runs and nothing that needs it does: the first writes it, the second reads it into an empty or an
    older state, which it replaces. What has both can move from one runtime to another. So can ``volumes`` that are ``portable``:
    the program that runs under any runtime reads their files alike.
    """

    method: Literal["sql-dump", "volumes", "none"]
    volumes: tuple[str, ...] = ()
    portable: bool = False
    dump: str = ""
    restore: str = ""


class Link(Model):
    """A line of ``nself urls``: a label and where it leads (the service's route, or a port of it with a path)."""

    label: str
    port: str = "http"
    path: str = ""
    dev_only: bool = False


class NativeProgram(Model):
    """A program the native form runs.

    ``locate`` names a function ``"package.module:function"`` that returns its path or ``None`` (for programs that come as
    wheels); ``names`` are looked up on PATH after it. ``install`` tells a person how to get it.
    """

    name: str
    names: tuple[str, ...] = ()
    locate: str | None = None
    install: str = ""


class Native(Model):
    """How the service runs as a local process.

    ``check`` names a function ``"package.module:function"`` called with a ``NativeContext`` before anything at all is started or
    changed; it is quick, changes nothing, and raises ``UserError`` for what no start could mend (data of another release).
    ``prepare`` names a function ``"package.module:function"`` called with a ``NativeContext`` before each start; it must be
    harmless when repeated (make a data folder, run ``initdb`` once) and may add to ``context.env``. ``env`` is laid over the
    service's ``env``.
    ``drop_root``: the program refuses or should not have root; it then runs as an unprivileged system user.
    ``stands_for``: what really runs where it is not the named program ("SeaweedFS").
    """

    command: tuple[Value, ...]
    programs: tuple[NativeProgram, ...] = ()
    check: str | None = None
    prepare: str | None = None
    env: Mapping[str, Value | None] = {}
    cwd: Value | None = None
    drop_root: bool = False
    stop_signal: Literal["TERM", "INT", "QUIT"] = "TERM"
    reload_signal: Literal["HUP"] | None = None
    stands_for: str = ""
    probe: Probe | None = None
    """The probe natively, where it is not the service's own."""


class Service(Model):
    """One long-running or one-shot thing, the same for every runtime.

    Every field's origin (plugin, hook, setting) can be told by ``nself explain services.<name>.<field>``;
    a plugin may add ``provenance={"image": Origin(...)}`` for values a setting decided.
    """

    name: Name
    category: Category = "plugin"
    summary: str = ""
    aliases: tuple[str, ...] = ()
    """Other spellings, accepted on the command line and as network names (``express_api`` for ``express-api``)."""
    image: Image | None = None
    build: Build | None = None
    no_image: str = ""
    """The reason where there is neither image nor build: the service exists natively alone."""
    native: Native | None = None
    no_native: str = ""
    """The reason where there is no native form."""
    entrypoint: tuple[Value, ...] | None = None
    command: tuple[Value, ...] | None = None
    env: Mapping[str, Value | None] = {}
    """``None`` leaves a variable out."""
    private: frozenset[str] = frozenset()
    """Names in ``env`` whose plain text is the user's secret (it came from a file of theirs): kept out of shared files."""
    ports: tuple[Port, ...] = ()
    provides: Mapping[str, Capability] = {}
    needs: tuple[Need, ...] = ()
    probe: Probe | None = None
    mounts: tuple[Mount, ...] = ()
    one_shot: bool = False
    """Runs to its end once per start (a helper), is ``completed`` and not ``stopped`` afterwards."""
    replicas: int = Field(default=1, ge=1)
    scalable: bool = True
    """Whether more than one replica makes sense (a database does not)."""
    limits: Limits = Limits()
    security: Security = Security()
    scrapes: tuple[Scrape, ...] = ()
    dashboards: tuple[Dashboard, ...] = ()
    alerts: tuple[Alert, ...] = ()
    backup: Backup | None = None
    links: tuple[Link, ...] = ()
    stop_grace: int = 30
    """Seconds between the stop signal and the kill."""
    migrator: str = ""
    """``"package.module:Class"`` on the service that provides ``sql``: a ``hookspecs.Migrator``, whose ``apply`` the runtime
    calls once that service is healthy, before anything that needs it is started."""
    tracker: str = ""
    """``"package.module:Class"`` on the service that provides ``graphql``: a ``hookspecs.Tracker``, whose ``apply`` the runtime
    calls once that service is healthy."""
    rekey: Mapping[str, str] = {}
    """For a secret setting of which this service keeps a copy in its data (a password of an account): a function
    ``"package.module:function"`` that ``nself secrets rotate`` calls with a ``hookspecs.Rekeying`` while the service runs, before
    the new value is put into force. It raises ``UserError`` unless the new value is proven, and is harmless when repeated.
    A secret that a service is merely given needs none: what refers to it is restarted."""
    restart: Literal["unless-stopped", "on-failure", "no"] = "unless-stopped"
    provenance: Mapping[str, Origin] = {}

    def port(self, name: str) -> Port:
        """The port of that name, or with that container port number; ``KeyError`` names those there are."""
        for port in self.ports:
            if name in {port.name, str(port.container)}:
                return port
        raise KeyError(f"service {self.name} has no port {name!r}; it has {', '.join(p.name for p in self.ports) or 'none'}")
