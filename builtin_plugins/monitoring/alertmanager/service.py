"""The service that sends alerts, and its route.

Its containers run as an unprivileged user who may not read files of mode 0600, so secret addresses arrive as variables
and a line of shell puts them where the configuration looks for them: on a tmpfs.
"""

from __future__ import annotations

from collections.abc import Iterator

from hookspecs import (
    Capability,
    HttpProbe,
    Image,
    Join,
    Limits,
    Link,
    Mount,
    Native,
    NativeProgram,
    Need,
    Place,
    Port,
    Program,
    Project,
    Ref,
    Route,
    Scrape,
    Security,
    Service,
    ServiceTarget,
    Value,
)

from .receivers import RECEIVER_SECRETS, mail_server

NAME = "alertmanager"
VOLUME = "alertmanager_data"
FOLDER = "monitoring/alertmanager"
SECRETS = "/run/receivers"


def contributions(project: Project) -> Iterator[Service | Route]:
    """The alert sender, where monitoring is on."""
    settings = project.settings
    if not settings["MONITORING_ENABLED"]:
        return
    origin = settings.because("ALERTMANAGER_VERSION")
    env: dict[str, Value | None] = {name: settings.secret(name) for name in RECEIVER_SECRETS}
    mail = mail_server(project)
    env["SMTP_PASS"] = mail.password if mail else None
    yield Service(
        name=NAME,
        category="monitoring",
        summary="Alerts",
        image=Image(ref=f"prom/alertmanager:{settings['ALERTMANAGER_VERSION']}"),
        entrypoint=("/bin/sh", "-c", _start(sorted(env))),
        native=_native(),
        env=env,
        ports=(Port.of(settings, "ALERTMANAGER_PORT", 9093),),
        provides={"alerting": Capability(attributes={"url": Ref(service=NAME)})},
        needs=(Need(capability="smtp", required=False, condition="started"),),
        probe=HttpProbe(path="/-/healthy"),
        mounts=(
            Mount(kind="volume", source=VOLUME, target="/alertmanager"),
            Mount(kind="bind", source=f"./{FOLDER}", target="/etc/alertmanager", read_only=True),
        ),
        security=Security(read_only=True, tmpfs=(f"{SECRETS}:mode=1777",)),
        scalable=False,
        limits=Limits(memory=256 << 20),
        scrapes=(Scrape(),),
        links=(Link(label="Alerts"),),
        provenance={"image": origin} if origin else {},
    )
    yield Route(
        name=NAME,
        host=project.host(settings["ALERTMANAGER_ROUTE"]),
        target=ServiceTarget(service=NAME),
        internal=True,
        label="Alerts",
    )


def _start(names: list[str]) -> str:
    """The start of the container: each variable that is set becomes a file, then the program takes over."""
    keep = f'umask 077; for n in {" ".join(names)}; do v=$(printenv $n) && printf %s "$v" > {SECRETS}/$n; done'
    options = "--config.file=/etc/alertmanager/alertmanager.yml --storage.path=/alertmanager --cluster.listen-address="
    return f"{keep}; exec /bin/alertmanager {options}"


def _native() -> Native:
    return Native(
        command=(
            Program(name=NAME),
            Join.of("--config.file=", Place(of="config", name="alertmanager/alertmanager.yml")),
            Join.of("--storage.path=", Place(of="volume", name=VOLUME)),
            "--cluster.listen-address=",
            Join.of("--web.listen-address=127.0.0.1:", Ref(service=NAME, as_="port")),
        ),
        programs=(
            NativeProgram(
                name=NAME, names=("prometheus-alertmanager", "alertmanager"), install="apt-get install prometheus-alertmanager"
            ),
        ),
        reload_signal="HUP",
    )
