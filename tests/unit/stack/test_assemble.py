"""Assembly over contributions made by hand."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from hookspecs import (
    Capability,
    Environment,
    Get,
    HostTarget,
    Image,
    Join,
    Native,
    Need,
    Origin,
    Port,
    PortMap,
    Project,
    Ref,
    Route,
    Secret,
    Service,
    ServiceTarget,
    Settings,
    SettingValue,
    UserError,
)
from hookspecs.resolve import plain
from nself_core.stack.assemble import Assembly, assemble
from nself_core.stack.resolver import ValueResolver


def project(cls: str = "dev", runtime: str = "compose") -> Project:
    return Project(
        name="shop",
        root=Path("/nowhere"),
        environment=Environment(name=cls, cls=cls),
        runtime=runtime,
        settings=Settings(entries={}),
        domain="shop.localhost",
    )


def database(**changes: object) -> Service:
    return Service(
        name="db",
        category="core",
        image=Image(ref="db:1"),
        native=Native(command=("db",)),
        ports=(Port(name="sql", protocol="tcp", container=5432, host=5432),),
        provides={
            "sql": Capability(
                attributes={
                    "url": Join.of(
                        "postgres://u:",
                        Secret(name="DB_PASSWORD", quote="url"),
                        "@",
                        Ref(service="db", port="sql", as_="host"),
                        ":",
                        Ref(service="db", port="sql", as_="port"),
                        "/app",
                    )
                }
            )
        },
    ).model_copy(update=changes)


def api(**changes: object) -> Service:
    return Service(
        name="api",
        category="custom",
        image=Image(ref="api:1"),
        native=Native(command=("api",)),
        ports=(Port(container=8001, host=8001),),
        env={"DATABASE_URL": Get(capability="sql", attribute="url"), "CACHE_URL": Get(capability="cache", attribute="url")},
        needs=(Need(capability="sql"), Need(capability="cache", required=False)),
    ).model_copy(update=changes)


def put_together(*items: Service | Route, addressing: str = "names", cls: str = "dev", **options: object) -> Assembly:
    runtime = "compose" if addressing == "names" else "native"
    return assemble(project(cls, runtime), [("p", i) for i in items], addressing=addressing, **options)  # type: ignore[arg-type]


def fault_of(*items: Service | Route, **options: object) -> str:
    with pytest.raises(UserError) as caught:
        put_together(*items, **options)
    return "\n".join(f"{f.message} {f.remedy}" for f in caught.value.findings)


def setting(name: str, value: object) -> dict[str, SettingValue]:
    return {name: SettingValue(name=name, value=value, origin=Origin(source=".env", line=3), provided=True)}


def test_what_is_needed_starts_first_whatever_the_order_of_contribution() -> None:
    edge = Service(name="aaa-first-by-name", image=Image(ref="x:1"), needs=(Need(service="api"),))
    orders = {
        tuple(s.name for s in put_together(*permutation).stack.services)
        for permutation in itertools.permutations([database(), api(), edge])
    }
    assert orders == {("db", "api", "aaa-first-by-name")}


def test_a_circle_of_needs_is_named() -> None:
    a = Service(name="a", image=Image(ref="a:1"), needs=(Need(service="b"),))
    b = Service(name="b", image=Image(ref="b:1"), needs=(Need(service="a"),))
    assert "a → b → a" in fault_of(a, b) or "b → a → b" in fault_of(a, b)


def test_an_unmet_hard_need_tells_how_to_meet_it() -> None:
    assert "set DB_ENABLED=true" in fault_of(api(), offers={"sql": "DB_ENABLED=true"})


def test_an_unmet_soft_need_is_absent_and_its_value_left_out() -> None:
    assembly = put_together(database(), api())
    assert [n.service for n in assembly.stack.services[1].needs] == ["db"]
    assert ValueResolver(assembly.stack, {"DB_PASSWORD": "p"}).environment("api").keys() == {"DATABASE_URL"}


def test_references_resolve_by_name_in_containers_and_by_port_natively() -> None:
    for addressing, expected in (("names", "db:5432"), ("loopback", "127.0.0.1:5432")):
        stack = put_together(database(), api(), addressing=addressing).stack
        url = ValueResolver(stack, {"DB_PASSWORD": "p@ss/word"}).environment("api")["DATABASE_URL"]
        assert url == f"postgres://u:p%40ss%2Fword@{expected}/app"


def test_text_without_secrets_keeps_them_by_name() -> None:
    stack = put_together(database(), api()).stack
    assert plain(stack, "api", api().env["DATABASE_URL"]) == Join.of(
        "postgres://u:", Secret(name="DB_PASSWORD", quote="url"), "@db:5432/app"
    )


def test_a_need_upon_what_cannot_run_here_becomes_soft() -> None:
    assembly = put_together(database(native=None, no_native="no build of it"), api(), addressing="loopback")
    assert assembly.stack.why_unavailable("db") == "no build of it"
    assert assembly.stack.find("api").needs == ()
    assert "DATABASE_URL" not in ValueResolver(assembly.stack, {}).environment("api")


def test_two_services_of_one_name_and_two_providers_are_errors() -> None:
    assert "contributed by both" in fault_of(database(), database())
    assert "both provide 'sql'" in fault_of(database(), database(name="other", ports=database().ports))


def test_a_provider_of_higher_priority_wins() -> None:
    better = database(name="better", provides={"sql": Capability(attributes={"url": "x"}, priority=5)}, ports=())
    assert put_together(database(), better, api()).stack.provider("sql").name == "better"


def test_all_faults_come_at_once() -> None:
    text = fault_of(
        api(),
        api(name="b", ports=(Port(container=1, host=9000, explicit=True, variable="B_PORT"),), needs=()),
        api(name="c", ports=(Port(container=1, host=9000, explicit=True, variable="C_PORT"),), needs=()),
        Route(name="r", host="h", target=ServiceTarget(service="ghost")),
    )
    assert "needs 'sql'" in text
    assert "C_PORT asks for port 9000, which b (B_PORT) has already" in text
    assert "service 'ghost', which does not exist" in text


def test_a_wished_port_moves_aside_for_an_explicit_one_and_for_frontends() -> None:
    stack = put_together(
        database(),
        Service(name="a", image=Image(ref="a:1"), ports=(Port(container=80, host=3000),)),
        Service(name="b", image=Image(ref="b:1"), ports=(Port(container=80, host=5432, explicit=True),)),
        Route(name="web", host="web.localhost", target=HostTarget(port=3000)),
    ).stack
    assert dict(stack.ports.ports) == {"a/http": 3001, "b/http": 5432, "db/sql": 5433}


def test_a_port_that_moves_is_told() -> None:
    other = Service(name="b", image=Image(ref="b:1"), ports=(Port(container=80, host=5432, explicit=True, variable="B_PORT"),))
    (note,) = put_together(database(), other).findings
    assert "the sql port of db is 5433 on this machine, as b (B_PORT) has 5432" in note.message


def test_known_ports_are_kept_unless_an_explicit_one_wants_them() -> None:
    known = PortMap(ports={"db/sql": 6000, "api/http": 7000})
    taken = api(ports=(Port(container=8001, host=6000, explicit=True),))
    assert dict(put_together(database(), taken, known_ports=known).stack.ports.ports) == {"api/http": 6000, "db/sql": 5432}
    assert put_together(database(), api(), known_ports=known).stack.ports.get("db", "sql") == 6000


def test_outside_dev_only_the_edge_publishes() -> None:
    edge = Service(name="edge", image=Image(ref="e:1"), ports=(Port(name="https", container=443, host=443, edge=True),))
    assert dict(put_together(database(), edge, cls="prod").stack.ports.ports) == {"edge/https": 443}


def test_copies_drop_their_host_port_in_containers_and_get_one_each_natively() -> None:
    generic = setting("API_REPLICAS", 3)
    assert put_together(database(), api(), generic=generic).stack.ports.get("api", "http") is None
    native = put_together(database(), api(), generic=generic, addressing="loopback").stack
    addresses = native.addresses("api")
    assert len({a.port for a in addresses}) == 3
    assert {a.host for a in addresses} == {"127.0.0.1"}


def test_limits_and_images_come_from_settings_and_say_so() -> None:
    generic = {**setting("API_MEMORY_LIMIT", 2**30), **setting("API_CPU_LIMIT", 0.5), **setting("API_IMAGE", "mine:2")}
    service = put_together(database(), api(), generic=generic).stack.find("api")
    assert (service.limits.memory, service.limits.cpus, service.image.ref) == (2**30, 0.5, "mine:2")
    assert str(service.provenance["image"]) == "API_IMAGE (.env:3)"


def test_scaling_that_cannot_be() -> None:
    assert "cannot run more than once" in fault_of(database(scalable=False), generic=setting("DB_REPLICAS", 2))
    assert "at least 1" in fault_of(database(), api(), generic=setting("API_REPLICAS", 0))
    slotted = api(replicas=2, provenance={"replicas": Origin(source="CS_1_REPLICAS")})
    assert "API_REPLICAS=3 differs from 2 of CS_1_REPLICAS" in fault_of(database(), slotted, generic=setting("API_REPLICAS", 3))
    assert "at least 6m" in fault_of(database(), api(), generic=setting("API_MEMORY_LIMIT", 1024))


def test_one_address_belongs_to_one_route() -> None:
    target = ServiceTarget(service="api")
    routes = [Route(name=n, host="api.shop.localhost", target=target) for n in ("one", "two")]
    assert "https://api.shop.localhost/ is claimed by both one and two" in fault_of(database(), api(), *routes)


def test_public_addresses_follow_the_port_map() -> None:
    edge = Service(
        name="edge",
        image=Image(ref="e:1"),
        ports=(Port(name="http", container=80, host=80, edge=True), Port(name="https", container=443, host=443, edge=True)),
    )
    route = Route(name="api", host="api.shop.localhost", target=ServiceTarget(service="api"))
    stack = put_together(database(), api(), edge, route).stack
    assert stack.public_url(stack.routes[0]) == "https://api.shop.localhost"
    moved = put_together(database(), api(), edge, route, known_ports=PortMap(ports={"edge/https": 8443})).stack
    assert moved.public_url(moved.routes[0]) == "https://api.shop.localhost:8443"
    assert plain(moved, "db", Ref(service="api", audience="public")) == "https://api.shop.localhost:8443"
