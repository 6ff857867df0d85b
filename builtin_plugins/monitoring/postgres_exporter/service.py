"""Metrics of the database."""

from __future__ import annotations

from collections.abc import Iterator

from hookspecs import (
    Alert,
    Get,
    HttpProbe,
    Image,
    Join,
    Limits,
    Native,
    NativeProgram,
    Need,
    Port,
    Program,
    Project,
    Ref,
    Scrape,
    Security,
    Service,
)

from ..panels import Panel, dashboard

NAME = "postgres-exporter"


def contributions(project: Project) -> Iterator[Service]:
    """The database's metrics, where monitoring is on and there is a database."""
    settings = project.settings
    if not settings["MONITORING_ENABLED"]:
        return
    origin = settings.because("POSTGRES_EXPORTER_VERSION")
    host, port, name = (Get(capability="sql", attribute=attribute) for attribute in ("host", "port", "database"))
    yield Service(
        name=NAME,
        category="monitoring",
        summary="Database metrics",
        image=Image(ref=f"prometheuscommunity/postgres-exporter:{settings['POSTGRES_EXPORTER_VERSION']}"),
        native=Native(
            command=(Program(name=NAME), Join.of("--web.listen-address=127.0.0.1:", Ref(service=NAME, as_="port"))),
            programs=(
                NativeProgram(
                    name=NAME,
                    names=("prometheus-postgres-exporter", "postgres_exporter"),
                    install="apt-get install prometheus-postgres-exporter",
                ),
            ),
        ),
        # In parts, so that a password with odd characters needs no quoting.
        env={
            "DATA_SOURCE_URI": Join.of(host, ":", port, "/", name, "?sslmode=disable"),
            "DATA_SOURCE_USER": Get(capability="sql", attribute="user"),
            "DATA_SOURCE_PASS": Get(capability="sql", attribute="password"),
        },
        ports=(Port.of(settings, "POSTGRES_EXPORTER_PORT", 9187),),
        needs=(Need(capability="sql", idle="there is no database to watch"),),
        probe=HttpProbe(path="/metrics"),
        security=Security(read_only=True),
        scalable=False,
        limits=Limits(memory=128 << 20),
        scrapes=(Scrape(),),
        alerts=(
            Alert(
                name="PostgreSQLDown", expr="pg_up == 0", for_="1m", severity="critical", summary="The database does not answer"
            ),
            Alert(
                name="PostgreSQLTooManyConnections",
                expr="sum(pg_stat_database_numbackends) / max(pg_settings_max_connections) > 0.8",
                summary="More than 80 % of the database's connections are in use",
            ),
            Alert(
                name="PostgreSQLDeadlocks",
                expr="sum by (datname) (increase(pg_stat_database_deadlocks[5m])) > 0",
                for_="0m",
                summary="Transactions of {{ $labels.datname }} lock each other out",
            ),
        ),
        dashboards=(
            dashboard(
                "nself-postgresql",
                "PostgreSQL",
                (
                    Panel("Connections", [("sum by (datname) (pg_stat_database_numbackends)", "{{datname}}")]),
                    Panel("Transactions", [("sum by (datname) (rate(pg_stat_database_xact_commit[5m]))", "{{datname}}")], "ops"),
                    Panel("Size", [("pg_database_size_bytes", "{{datname}}")], "bytes"),
                    Panel("Deadlocks", [("sum by (datname) (increase(pg_stat_database_deadlocks[5m]))", "{{datname}}")]),
                ),
            ),
        ),
        provenance={"image": origin} if origin else {},
    )
