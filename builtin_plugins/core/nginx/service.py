"""The proxy's service, the certificate it asks for, and the extra sites of the settings."""

from __future__ import annotations

from collections.abc import Iterator

from hookspecs import (
    CertificateRequest,
    HostTarget,
    HttpProbe,
    Image,
    Limits,
    Link,
    Mount,
    Native,
    NativeProgram,
    Place,
    Port,
    Program,
    Project,
    Route,
    Security,
    Service,
    ServiceTarget,
    UserError,
)

NAME = "nginx"
#: The proxy's files: in the project for containers, in the native configuration folder else; the name is the same.
FOLDER = "nginx"
#: Where containers see them.
INSIDE = "/etc/nginx/nself"
WWW = "/srv/www"
CUSTOM = "/etc/nginx/custom"
_HERE = "builtin_plugins.core.nginx.programs"


def secure(project: Project) -> bool:
    """Whether HTTPS is served."""
    return bool(project.settings["SSL_ENABLED"]) and project.settings["SSL_MODE"] != "none"


def custom(project: Project) -> bool:
    """Whether the user's own certificate is served."""
    return secure(project) and project.settings["SSL_MODE"] == "custom"


def custom_files(project: Project) -> dict[str, str]:
    """The user's own certificate and key, as the settings name them; ``UserError`` where one is not set."""
    found = {}
    for name, setting in (("fullchain", "SSL_CERT_PATH"), ("privkey", "SSL_KEY_PATH")):
        path = project.settings[setting]
        if not path:
            raise UserError(
                f"SSL_MODE=custom, and {setting} is not set",
                where=str(project.settings.origin("SSL_MODE") or ""),
                remedy=f"set {setting} to a PEM file, absolute or relative to the project",
                code="certificate-missing",
            )
        found[name] = str(path).removeprefix("./")
    return found


def contributions(project: Project) -> Iterator[Service | Route | CertificateRequest]:
    """The proxy, unless it is switched off."""
    settings = project.settings
    if not settings["NGINX_ENABLED"]:
        return
    origin = settings.because("NGINX_VERSION")
    yield Service(
        name=NAME,
        category="core",
        summary="Reverse proxy",
        image=Image(ref=f"nginx:{settings['NGINX_VERSION']}"),
        entrypoint=("nginx", "-c", f"{INSIDE}/nginx.conf", "-g", "daemon off;"),
        native=_native(),
        ports=_ports(project),
        probe=HttpProbe(path="/health"),
        mounts=_mounts(project),
        scalable=False,
        limits=Limits(memory=256 << 20),
        security=Security(
            cap_add=("CHOWN", "DAC_OVERRIDE", "NET_BIND_SERVICE", "SETGID", "SETUID"),
            read_only=True,
            tmpfs=("/run", "/tmp", "/var/cache/nginx"),  # noqa: S108  inside the container
            reasons={
                "user": "its first process reads a key that its owner alone may; the workers are the user nginx",
                "cap_add": "it binds ports below 1024, reads a key that its owner alone may, and gives up root for its workers",
            },
        ),
        links=(Link(label="Proxy health", path="/health"),),
        provenance={"image": origin} if origin else {},
    )
    if secure(project) and not custom(project):
        yield CertificateRequest(name=settings["SSL_CERT_NAME"], extra=_extra_names(project))
    yield from _internal_routes(project)
    yield from _webhooks(project)


def _ports(project: Project) -> tuple[Port, ...]:
    settings = project.settings
    bind = settings["NGINX_BIND_IP"]
    http = Port.of(settings, "NGINX_PORT", 80, bind=bind, edge=True, fallback=8088)
    if not secure(project):
        return (http,)
    return (http, Port.of(settings, "NGINX_SSL_PORT", 443, "https", bind=bind, edge=True, fallback=8443))


def _mounts(project: Project) -> tuple[Mount, ...]:
    mounts = [Mount(kind="bind", source=f"./{FOLDER}", target=INSIDE, read_only=True)]
    if custom(project):
        for name, path in custom_files(project).items():
            reason = "the certificate is the user's own" if path.startswith("/") else ""
            source = path if reason else f"./{path}"
            mounts.append(Mount(kind="bind", source=source, target=f"{CUSTOM}/{name}.pem", read_only=True, reason=reason))
    if secure(project):
        mounts.append(Mount(kind="bind", source="./.nself/certs", target="/etc/nginx/certs", read_only=True))
    if project.environment.cls == "staging":
        folders = sorted(
            {str(entry.value).strip("/") for _, entry in project.settings.matching("FRONTEND_APP_{N}_DIR") if entry.value}
        )
        mounts += [Mount(kind="bind", source=f"./{name}", target=f"{WWW}/{name}", read_only=True) for name in folders]
    return tuple(mounts)


def _native() -> Native:
    return Native(
        command=(
            # The file as it was rendered: its paths to the certificate and the user's own sites are relative to it. Folders for
            # bodies that do not fit in memory are made below -p.
            Program(name=NAME), "-p", Place(of="run"), "-c", Place(of="project", name=f".nself/native/conf/{FOLDER}/nginx.conf"),
            "-e", "stderr", "-g", "daemon off;",
        ),
        programs=(NativeProgram(name=NAME, names=("nginx",), locate=f"{_HERE}:nginx", install="pip install 'nself[native]'"),),
        prepare=f"{_HERE}:prepare",
        stop_signal="QUIT",
        reload_signal="HUP",
    )  # fmt: skip


def _extra_names(project: Project) -> tuple[str, ...]:
    """The project's domain, whether or not something is served there, and what the settings add."""
    settings = project.settings
    wildcard = settings["SSL_WILDCARD_DOMAIN"]
    names = [project.domain, *(settings["EXTRA_SSL_DOMAINS"] or ())]
    if wildcard:
        names += [wildcard, f"*.{wildcard}"]
    return tuple(dict.fromkeys(names))


def _internal_routes(project: Project) -> Iterator[Route]:
    settings = project.settings
    for slot in settings.slots("INTERNAL_ROUTE_{N}_NAME"):
        prefix = f"INTERNAL_ROUTE_{slot}_"
        name, target = settings[prefix + "NAME"], settings[prefix + "TARGET"]
        if not target:
            raise UserError(
                f"{prefix}NAME has no {prefix}TARGET",
                where=str(settings.origin(prefix + "NAME") or ""),
                remedy=f"set {prefix}TARGET=service:port",
                code="route-nowhere",
            )
        yield Route(
            name=f"internal-{name}",
            host=project.host(settings[prefix + "SUBDOMAIN"] or name),
            target=_target(target),
            websocket=bool(settings[prefix + "WEBSOCKET"]),
            rate_zone=settings[prefix + "RATE_ZONE"] or "general",
            label=name,
        )


def _webhooks(project: Project) -> Iterator[Route]:
    settings = project.settings
    if not settings["WEBHOOKS_ROUTE"]:
        return
    host, port = settings["WEBHOOK_HANDLER_HOST"] or "functions", settings["WEBHOOK_HANDLER_PORT"]
    yield Route(
        name="webhooks",
        host=project.host(settings["WEBHOOKS_ROUTE"]),
        target=_target(f"{host}:{port}") if port else ServiceTarget(service=host.replace("_", "-")),
        rate_zone="webhook",
        label="Webhooks",
    )


def _target(text: str) -> ServiceTarget | HostTarget:
    """``service:port``, or a program of this machine as ``localhost:port``."""
    name, _, port = text.rpartition(":")
    if name in {"localhost", "127.0.0.1", "host.docker.internal"}:
        return HostTarget(port=int(port))
    return ServiceTarget(service=name.replace("_", "-"), port=port)
