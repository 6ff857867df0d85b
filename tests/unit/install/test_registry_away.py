"""A registry that cannot be asked now stands in the way of what comes from it, and of nothing else."""

from __future__ import annotations

import pytest

from hookspecs import UserError
from nself_core.plugins.install.catalogue import Catalogue
from nself_core.plugins.install.transaction import Outcome, install
from nself_core.plugins.sources.model import Progress, Release
from nself_core.plugins.sources.request import parse

from .conftest import Room, Silent


class Away:
    """A registry whose every answer is refused."""

    name = "acme"

    def __init__(self, code: str) -> None:
        self.code = code

    def releases(self, name: str) -> list[Release]:
        raise UserError(f"registry acme: {self.code}", where="https://acme", remedy="look at the clock", code=self.code)

    def catalogue(self) -> list[Release]:
        return self.releases("")

    def download(self, release: Release, into: object, progress: Progress) -> None:
        self.releases("")


def run(room: Room, code: str, *what: str) -> Outcome:
    catalogue = Catalogue(room.home, [Away(code), room.source])  # type: ignore[list-item]
    return install(room.home, room.project, [parse(one) for one in what], Silent(), catalogue=catalogue)


@pytest.mark.parametrize("code", ["registry-expired", "registry-slow", "registry-unreachable"])
def test_what_comes_from_elsewhere_is_installed_and_it_is_told(room: Room, code: str) -> None:
    room.offer("notify")
    outcome = run(room, code, "notify")
    assert room.versions() == {"notify": "1.0.0"}
    assert outcome.away == {"acme": f"registry acme: {code}"}


@pytest.mark.parametrize("what", ["other", "notify>=2"])
@pytest.mark.parametrize("code", ["registry-expired", "registry-slow", "registry-unreachable"])
def test_what_may_be_there_is_refused_with_the_registrys_reason(room: Room, code: str, what: str) -> None:
    room.offer("notify")
    before = room.state()
    with pytest.raises(UserError, match=f"not asked: registry acme: {code}") as refused:
        run(room, code, what)
    assert (refused.value.code, refused.value.remedy) == (code, "look at the clock")
    assert room.state() == before


@pytest.mark.parametrize("code", ["registry-signature", "registry-rollback", "registry-hash", "registry-length"])
def test_one_that_says_something_false_stops_everything(room: Room, code: str) -> None:
    room.offer("notify")
    with pytest.raises(UserError, match=code):
        run(room, code, "notify")
    assert room.versions() == {}


def test_a_whole_listing_leaves_it_out(room: Room) -> None:
    room.offer("notify")
    catalogue = Catalogue(room.home, [Away("registry-expired"), room.source])  # type: ignore[list-item]
    assert [one.name for one in catalogue.all()] == ["notify"]
    assert list(catalogue.away) == ["acme"]
