"""Ports are settled against real sockets."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookspecs import Image, Port, PortMap, Service, Stack
from nself_core.lifecycle import ports
from tests.unit.compose.stacks import project, stack


@pytest.fixture
def taken() -> Iterator[int]:
    """A loopback port that somebody listens on: this process."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def one_service(root: Path, **port: object) -> Stack:
    return stack(project(root), Service(name="web", image=Image(ref="x"), ports=(Port(container=80, **port),)))  # type: ignore[arg-type]


def test_a_taken_port_moves_and_the_holder_is_named(tmp_path: Path, taken: int) -> None:
    found = ports.settle(one_service(tmp_path, host=taken), own=(), containers=True)
    (move,) = found.moved
    assert not found.errors
    assert (move.service, move.wished) == ("web", taken)
    assert f"(pid {os.getpid()})" in move.holder
    assert found.ports.get("web", "http") == move.given != taken
    assert ports.why_taken(move.given) == ""


def test_an_explicit_port_that_is_taken_is_an_error_naming_variable_and_process(tmp_path: Path, taken: int) -> None:
    found = ports.settle(one_service(tmp_path, host=taken, explicit=True, variable="WEB_PORT"), own=(), containers=True)
    (finding,) = found.errors
    assert f"WEB_PORT asks for port {taken}" in finding.message
    assert f"(pid {os.getpid()})" in finding.message
    assert finding.remedy.startswith("end that program, or set WEB_PORT=")
    assert not found.moved


def test_a_containers_port_is_not_freed_by_ending_the_engines_program(tmp_path: Path, taken: int) -> None:
    bound = one_service(tmp_path, host=taken, explicit=True, variable="WEB_PORT")
    (finding,) = ports.settle(bound, own=(), containers=True, holder=lambda _: "docker-proxy (pid 12)").errors
    assert finding.remedy.startswith(f"stop that container (docker ps --filter publish={taken}), or set WEB_PORT=")


def test_the_projects_own_running_services_hold_nothing_against_it(tmp_path: Path, taken: int) -> None:
    found = ports.settle(one_service(tmp_path, host=taken, explicit=True), own={taken}, containers=True)
    assert (found.moved, found.errors) == ((), ())
    assert found.ports.get("web", "http") == taken


def test_a_free_port_stays(tmp_path: Path) -> None:
    bound = one_service(tmp_path, host=18933)
    assert ports.settle(bound, own=(), containers=True, check=lambda number, bind: "").ports == bound.ports


def test_a_low_port_takes_its_fallback_where_it_may_not_be_bound(tmp_path: Path) -> None:
    bound = one_service(tmp_path, host=80, fallback=8088, edge=True, explicit=True)

    def check(number: int, bind: str) -> str:
        return "forbidden" if number < 1024 else ""

    found = ports.settle(bound, own=(), containers=False, check=check, holder=lambda number: "")
    assert found.ports.get("web", "http") == 8088
    assert ports.settle(bound, own=(), containers=True, check=check).ports.get("web", "http") == 80


def test_two_moved_ports_do_not_meet(tmp_path: Path) -> None:
    services = [
        Service(name=name, image=Image(ref="x"), ports=(Port(container=80, host=host),))
        for name, host in (("a", 19001), ("b", 19002))
    ]
    bound = stack(project(tmp_path), *services)
    found = ports.settle(
        bound, own=(), containers=True, check=lambda n, b: "taken" if n in {19001, 19002} else "", holder=lambda n: ""
    )
    assert found.ports == PortMap(ports={"a/http": 19003, "b/http": 19004})


def test_a_server_on_every_address_takes_the_loopback_port_too() -> None:
    with socket.socket() as server:
        server.bind(("0.0.0.0", 0))
        server.listen()
        assert ports.why_taken(server.getsockname()[1]) == "taken"


def test_a_udp_socket_takes_no_port_from_anybody(tmp_path: Path) -> None:
    """HTTP/3 of another server, on UDP, was taken for one on the same port of TCP."""
    with socket.socket(type=socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        number = other.getsockname()[1]
        found = ports.settle(one_service(tmp_path, host=number, explicit=True), own=(), containers=True)
    assert (found.moved, found.errors) == ((), ())
    assert found.ports.get("web", "http") == number


def test_a_low_port_that_is_taken_goes_to_its_fallback_and_not_to_the_next_number(tmp_path: Path) -> None:
    bound = one_service(tmp_path, host=443, fallback=8443, edge=True)
    found = ports.settle(
        bound,
        own=(),
        containers=False,
        check=lambda n, b: "taken" if n in {443, 8443} else "",
        holder=lambda n: "a server (pid 1)",
    )
    (move,) = found.moved
    assert (move.given, move.holder, move.forbidden) == (8444, "a server (pid 1)", False)
