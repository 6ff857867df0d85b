"""The URLs tell the ports in force, and only what really runs."""

from __future__ import annotations

from pathlib import Path

from hookspecs import ExternalTarget, HostTarget, Image, Link, Port, Route, Service, ServiceTarget
from nself_core.lifecycle.urls import urls
from tests.unit.compose.stacks import project, stack

IMAGE = Image(ref="x")
EDGE = Service(name="face", image=IMAGE, ports=(Port(name="https", container=443, host=8443, edge=True),))
API = Service(
    name="api",
    image=IMAGE,
    ports=(Port(container=80, host=18000),),
    links=(Link(label="Docs", path="/docs"), Link(label="Console", path="/console", dev_only=True)),
)
ROUTE = Route(name="api", host="api.localhost", target=ServiceTarget(service="api"), label="API")


def test_routes_go_through_the_edge_with_its_real_port(tmp_path: Path) -> None:
    app = Route(name="app", host="app.localhost", target=HostTarget(port=3000))
    cdn = Route(name="cdn", host="cdn.localhost", target=ExternalTarget(url="https://cdn.example.com/"))
    found = urls(stack(project(tmp_path), EDGE, API, ROUTE, app, cdn), dev=True)
    assert [(u.kind, u.label, u.url) for u in found] == [
        ("route", "API", "https://api.localhost:8443"),
        ("frontend", "app", "https://app.localhost:8443"),
        ("external", "cdn", "https://cdn.example.com"),
        ("link", "Console", "https://api.localhost:8443/console"),
        ("link", "Docs", "https://api.localhost:8443/docs"),
        ("port", "api (http)", "http://127.0.0.1:18000"),
        ("port", "face (https)", "https://127.0.0.1:8443"),
    ]


def test_without_an_edge_there_are_no_routes_and_links_lead_to_the_port(tmp_path: Path) -> None:
    found = urls(stack(project(tmp_path), API, ROUTE), dev=False)
    assert [(u.kind, u.url) for u in found] == [("link", "http://127.0.0.1:18000/docs"), ("port", "http://127.0.0.1:18000")]


def test_what_cannot_run_here_has_no_url(tmp_path: Path) -> None:
    local = Service(name="api", no_image="it is a local program", ports=API.ports, links=API.links)
    assert [u.label for u in urls(stack(project(tmp_path), EDGE, local), dev=True)] == ["face (https)"]


def test_the_usual_ports_are_not_spelled_out(tmp_path: Path) -> None:
    edge = EDGE.model_copy(update={"ports": (Port(name="https", container=443, host=443, edge=True),)})
    found = {u.url for u in urls(stack(project(tmp_path), edge, API, ROUTE), dev=True)}
    assert {"https://api.localhost", "https://127.0.0.1"} <= found
