"""Mailpit as a service, and its web page's route."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hookspecs import (
    Capability,
    HttpProbe,
    Image,
    Join,
    Limits,
    Link,
    Native,
    NativeProgram,
    Port,
    Ref,
    Route,
    Secret,
    Security,
    Service,
    ServiceTarget,
    Value,
    python_module,
)

if TYPE_CHECKING:
    from hookspecs import Project

NAME = "mailpit"


def contribution(project: Project) -> Iterator[Service | Route]:
    """The service and its route."""
    settings = project.settings
    dev = project.environment.is_dev
    origin = settings.because("MAILPIT_VERSION")
    yield Service(
        name=NAME,
        category="optional",
        summary="Catches all mail and shows it",
        image=Image(ref=f"axllent/mailpit:{settings['MAILPIT_VERSION']}"),
        provenance={"image": origin} if origin else {},
        env={
            "MP_SMTP_BIND_ADDR": "0.0.0.0:1025",
            "MP_UI_BIND_ADDR": "0.0.0.0:8025",
            "MP_MAX_MESSAGES": str(settings["MAILPIT_MAX_MESSAGES"]),
            # any user and password are taken, without TLS: in dev, where the port is on loopback
            "MP_SMTP_AUTH_ACCEPT_ANY": "1" if dev else None,
            "MP_SMTP_AUTH_ALLOW_INSECURE": "1" if dev else None,
            "MP_UI_AUTH": None if dev else Join.of(f"{settings['MAILPIT_UI_USER']}:", Secret(name="MAILPIT_UI_PASSWORD")),
        },
        native=Native(
            command=python_module("builtin_plugins.optional.mailpit.catcher"),
            programs=(
                NativeProgram(
                    name="python",
                    locate="builtin_plugins.optional.mailpit.native:python",
                    install="pip install 'nself[native]'",
                ),
            ),
            env={
                "MP_SMTP_BIND_ADDR": _loopback("smtp"),
                "MP_UI_BIND_ADDR": _loopback("http"),
            },
            drop_root=True,
            stands_for="a catcher of nself's own",
        ),
        ports=(
            Port.of(settings, "MAILPIT_UI_PORT", 8025),
            Port.of(settings, "MAILPIT_SMTP_PORT", 1025, "smtp", protocol="tcp"),
        ),
        provides={
            "smtp": Capability(
                attributes={
                    "host": Ref(service=NAME, port="smtp", as_="host"),
                    "port": Ref(service=NAME, port="smtp", as_="port"),
                    "user": "",
                    "password": "",
                    "secure": "false",
                }
            )
        },
        probe=HttpProbe(path="/readyz", tool="wget", interval=10),
        scalable=False,
        limits=Limits(memory=256 * 2**20),
        security=Security(user="10001:10001", read_only=True, tmpfs=("/tmp",)),  # noqa: S108  inside the container
        links=(Link(label="Mail", dev_only=True),),
    )
    yield Route(
        name="mailpit",
        host=project.host(settings["MAIL_ROUTE"]),
        target=ServiceTarget(service=NAME),
        websocket=True,
        internal=not dev,
        label="Mail (Mailpit)",
    )


def _loopback(port: str) -> Value:
    return Join.of("127.0.0.1:", Ref(service=NAME, port=port, as_="port"))
