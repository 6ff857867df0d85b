"""The proxy's tree: one per runtime, alike but for how services are reached and where it listens.

In containers it listens on its own 80 and 443 and looks services up by name; natively on the PortMap's ports of this
machine, with the addresses of each instance. All paths inside the tree are relative to its ``nginx.conf``.
"""

from __future__ import annotations

from collections.abc import Iterator

from hookspecs import File, Project, Stack
from hookspecs.templating import render

from . import includes
from .service import CUSTOM, FOLDER, NAME, custom, custom_files, secure
from .sites import own_hosts, own_zones, served, sites, upstream_groups

_READ_ME = """Put nginx server blocks here as *.conf: they are yours, nself never changes them, and they win over a generated
site of the same server name. In containers a service is reached as http://<name>:<port>. Run nself build after a change here.
"""


def files(project: Project, stack: Stack) -> Iterator[File]:
    """Every file of the tree, where the proxy is on."""
    if stack.find(NAME) is None:
        return
    routes = served(stack, own_hosts(project.root))
    for name, content in (
        ("types", includes.TYPES),
        ("limits", includes.limits(project, own_zones(routes))),
        ("headers", includes.HEADERS),
        ("answers", _answers(project)),
        ("proxy", includes.PROXY),
        ("private", includes.PRIVATE),
        ("errors", includes.own_errors()),
        ("upstreams", includes.upstreams(upstream_groups(stack, routes))),
    ):
        yield File(path=f"{FOLDER}/includes/{name}.conf", content=content)
    native = stack.addressing == "loopback"
    if secure(project):
        yield File(path=f"{FOLDER}/includes/tls.conf", content=_tls(project, native=native))
    yield File(path=f"{FOLDER}/nginx.conf", content=_main(project, native=native))
    yield from _sites(project, stack, native=native)
    if not native:
        yield File(path=f"{FOLDER}/conf.d/README", content=_READ_ME, header="", once=True)


def _answers(project: Project) -> str:
    strict = secure(project) and not project.environment.is_dev
    return includes.ANSWERS + (includes.STRICT_TRANSPORT if strict else "")


def _tls(project: Project, *, native: bool) -> str:
    if custom(project):
        found = custom_files(project)
        if native:
            return includes.tls("", str(project.root / found["fullchain"]), str(project.root / found["privkey"]))
        return includes.tls(f"{CUSTOM}/")
    return includes.tls(f"{'../../..' if native else '..'}/certs/{project.settings['SSL_CERT_NAME']}/")


def _main(project: Project, *, native: bool) -> str:
    settings = project.settings
    return render(
        __package__ or "",
        "nginx.conf.j2",
        user="" if native else "user nginx;\n",
        workers=settings["NGINX_WORKER_PROCESSES"],
        connections=settings["NGINX_WORKER_CONNECTIONS"],
        error_log="stderr" if native else "/dev/stderr",
        pid="nginx.pid" if native else "/run/nginx.pid",
        secure=secure(project),
        max_body=settings["NGINX_CLIENT_MAX_BODY_SIZE"],
        connect_timeout=settings["NGINX_PROXY_CONNECT_TIMEOUT"],
        send_timeout=settings["NGINX_PROXY_SEND_TIMEOUT"],
        read_timeout=settings["NGINX_PROXY_READ_TIMEOUT"],
        gzip=settings["NGINX_GZIP_ENABLED"],
        # Docker's own name server, the same in every network of a user's.
        resolver="" if native else "127.0.0.11",
        own="../../../../nginx/conf.d/*.conf" if native else "conf.d/*.conf",
    )


def _sites(project: Project, stack: Stack, *, native: bool) -> Iterator[File]:
    routes = served(stack, own_hosts(project.root))
    tls = secure(project)
    http, https = (_listen(project, stack, name, native=native) for name in ("http", "https"))
    public = stack.ports.get(NAME, "https")
    yield File(
        path=f"{FOLDER}/sites/00-default.conf",
        content=render(
            __package__ or "",
            "default.conf.j2",
            http=http,
            https=https,
            secure=tls,
            hosts=sorted({route.host.lower() for route in routes}),
            suffix="" if public in {None, 443} else f":{public}",
            # Challenges come to servers on the internet, which run containers.
            acme="" if native else "/etc/nginx/certs/acme",
        ),
    )
    for site in sites(project, stack, routes):
        content = render(
            __package__ or "",
            "site.conf.j2",
            listen=f"{https} ssl" if tls else http,
            secure=tls,
            host=site.host,
            places=site.places,
        )
        yield File(path=f"{FOLDER}/sites/{site.name}.conf", content=content)


def _listen(project: Project, stack: Stack, port: str, *, native: bool) -> str:
    if not native:
        return {"http": "80", "https": "443"}[port]
    number = stack.ports.get(NAME, port)
    bind = project.settings["NGINX_BIND_IP"]
    return f"[{bind}]:{number}" if ":" in bind else f"{bind}:{number}"
