"""For tests of plugins: a real project, or a whole stack, with the plugin in it, as pytest fixtures. Comes with nself.

::

    def test_it_greets(nself_stack):
        assert nself_stack.http.get("greetings").json() == []
        assert nself_stack.user("7d1f…").get("greetings").status_code == 200
        assert nself_stack.sql("SELECT count(*) FROM np_hello_greetings") == [(0,)]

``nself_stack`` starts PostgreSQL, the GraphQL engine and the plugin Host in a project of its own, once for each test module,
with the plugin whose ``pyproject.toml`` is nearest above the test. ``nself_project`` is the same, not started. Override
``nself_settings`` for more services and settings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from hookspecs.trial import PluginStack, Received, Receiver, find_package, make_project

__all__ = [
    "PluginStack",
    "Received",
    "Receiver",
    "nself_plugins",
    "nself_project",
    "nself_receiver",
    "nself_settings",
    "nself_stack",
]


@pytest.fixture
def nself_receiver() -> Iterator[Receiver]:
    """An endpoint for what a plugin sends out."""
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture(scope="module")
def nself_settings() -> Mapping[str, str]:
    """Settings of the stack, as in ``.env``; override it for the plugin's own and for more services."""
    return {}


@pytest.fixture(scope="module")
def nself_plugins() -> Sequence[Path]:
    """Package folders of further plugins that this one needs."""
    return ()


@pytest.fixture(scope="module")
def nself_project(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    nself_settings: Mapping[str, str],
    nself_plugins: Sequence[Path],
) -> Iterator[PluginStack]:
    """A project with the plugin under test enabled; neither built nor started."""
    package = find_package(Path(str(request.path)))
    stack = make_project(tmp_path_factory.mktemp("stack"), package, nself_settings, nself_plugins)
    yield stack
    stack.cli("destroy", "--yes", check=False)


@pytest.fixture(scope="module")
def nself_stack(nself_project: PluginStack) -> PluginStack:
    """The project running; stopped and removed at the end of the module."""
    nself_project.cli("build")
    nself_project.cli("start", "--runtime", "native")
    return nself_project
