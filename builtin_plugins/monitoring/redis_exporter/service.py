"""Metrics of the cache."""

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

NAME = "redis-exporter"


def contributions(project: Project) -> Iterator[Service]:
    """The cache's metrics, where monitoring is on; shown as idle where there is no cache."""
    settings = project.settings
    if not settings["MONITORING_ENABLED"]:
        return
    origin = settings.because("REDIS_EXPORTER_VERSION")
    yield Service(
        name=NAME,
        category="monitoring",
        summary="Cache metrics",
        image=Image(ref=f"oliver006/redis_exporter:{settings['REDIS_EXPORTER_VERSION']}"),
        native=Native(
            command=(Program(name=NAME), Join.of("--web.listen-address=127.0.0.1:", Ref(service=NAME, as_="port"))),
            programs=(
                NativeProgram(
                    name=NAME,
                    names=("prometheus-redis-exporter", "redis_exporter"),
                    install="apt-get install prometheus-redis-exporter",
                ),
            ),
        ),
        env={
            "REDIS_ADDR": Join.of(
                "redis://", Get(capability="cache", attribute="host"), ":", Get(capability="cache", attribute="port")
            ),
            "REDIS_PASSWORD": Get(capability="cache", attribute="password"),
        },
        ports=(Port.of(settings, "REDIS_EXPORTER_PORT", 9121),),
        needs=(Need(capability="cache", idle="there is no cache to watch: REDIS_ENABLED=true gives one"),),
        probe=HttpProbe(path="/health"),
        security=Security(read_only=True),
        scalable=False,
        limits=Limits(memory=128 << 20),
        scrapes=(Scrape(),),
        alerts=(
            Alert(name="RedisDown", expr="redis_up == 0", for_="1m", severity="critical", summary="The cache does not answer"),
            Alert(
                name="RedisHighMemory",
                expr="redis_memory_used_bytes / (redis_memory_max_bytes > 0) > 0.9",
                summary="The cache uses more than 90 % of its memory",
            ),
            Alert(
                name="RedisTooManyConnections",
                expr="redis_connected_clients / (redis_config_maxclients > 0) > 0.8",
                summary="More than 80 % of the cache's connections are in use",
            ),
        ),
        dashboards=(
            dashboard(
                "nself-redis",
                "Redis",
                (
                    Panel("Memory", [("redis_memory_used_bytes", "used")], "bytes"),
                    Panel("Clients", [("redis_connected_clients", "clients")]),
                    Panel("Commands", [("rate(redis_commands_processed_total[5m])", "commands")], "ops"),
                    Panel(
                        "Hits and misses",
                        [("rate(redis_keyspace_hits_total[5m])", "hits"), ("rate(redis_keyspace_misses_total[5m])", "misses")],
                        "ops",
                    ),
                ),
            ),
        ),
        provenance={"image": origin} if origin else {},
    )
