"""Licences: verified offline, asked for at install and update alone, told with plan and price."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from hookspecs import UserError
from nself_core.licences import check, offers, token
from nself_core.licences.token import Licence
from nself_core.plugins import keys
from nself_core.plugins.files import write_private
from nself_core.plugins.model import State
from nself_core.plugins.signing import SigningKey

from .conftest import Room

TODAY = date(2026, 6, 15)


@pytest.fixture(autouse=True)
def this_day(monkeypatch: pytest.MonkeyPatch) -> None:
    moved(monkeypatch, TODAY)
    monkeypatch.delenv(check.VARIABLE, raising=False)


def moved(monkeypatch: pytest.MonkeyPatch, day: date) -> None:
    monkeypatch.setattr(check, "today", lambda: day)


@pytest.fixture
def vendor(room: Room) -> SigningKey:
    """In a checkout this home's own key of ``nself`` is the vendor's."""
    return keys.keygen(room.home, "nself")


def give(room: Room, vendor: SigningKey, plan: str = "bundle", bundles: tuple[str, ...] = ("nclaw",), days: int = 30) -> str:
    licence = Licence("Acme Ltd", plan, bundles, str(TODAY), str(TODAY + timedelta(days=days)), grace=14)
    text = token.issue(licence, vendor)
    write_private(check.place(room.home), text)
    return text


def paid(room: Room, version: str = "1.0.0") -> None:
    room.offer("ai", version, tier="pro", bundles=["nclaw", "clawde"])


def test_without_one_it_says_what_has_it_and_at_what_price(room: Room) -> None:
    paid(room)
    before = room.state()
    with pytest.raises(UserError, match=r"acme/ai 1.0.0 is a paid plugin, and there is no licence here") as caught:
        room.install("ai")
    price = next(plan for plan in offers.offers()["plans"] if plan["name"] == "bundle")["month"]
    assert f"the bundle nClaw, {price} USD a month" in caught.value.remedy
    assert "the bundle ClawDE" in caught.value.remedy
    assert "nSelf Pro" in caught.value.remedy
    assert room.state() == before


@pytest.mark.parametrize(("plan", "bundles"), [("bundle", ("nclaw",)), ("pro", ()), ("enterprise", ())])
def test_a_plan_or_a_bundle_that_holds_it_will_do(room: Room, vendor: SigningKey, plan: str, bundles: tuple[str, ...]) -> None:
    paid(room)
    give(room, vendor, plan, bundles)
    room.install("ai")
    assert room.versions() == {"ai": "1.0.0"}


def test_the_wrong_bundle_will_not(room: Room, vendor: SigningKey) -> None:
    paid(room)
    give(room, vendor, bundles=("ntv",))
    with pytest.raises(UserError, match=r"your licence \(ntv\) does not hold it"):
        room.install("ai")
    assert room.versions() == {}


def test_free_plugins_ask_for_none(room: Room) -> None:
    write_private(check.place(room.home), "rubbish")
    room.offer("hello")
    room.install("hello")
    assert room.versions() == {"hello": "1.0.0"}


def test_expired_what_runs_goes_on_and_updates_stop(room: Room, vendor: SigningKey, monkeypatch: pytest.MonkeyPatch) -> None:
    paid(room)
    give(room, vendor, days=30)
    room.install("ai")
    paid(room, "1.1.0")
    moved(monkeypatch, TODAY + timedelta(days=31))  # grace: it still counts
    stands = check.standing(room.home)
    assert stands is not None
    assert stands.state == "grace"
    moved(monkeypatch, TODAY + timedelta(days=45))
    with pytest.raises(UserError, match="its grace of 14 days is over; what is installed goes on running"):
        room.install("ai", renew=True)
    entry = room.open().find("ai")
    assert entry is not None
    assert (entry.version, entry.state, entry.usable) == ("1.0.0", State.SIGNED, True)
    moved(monkeypatch, TODAY)  # the clock set back brings nothing back
    with pytest.raises(UserError, match="this machine's clock says"):
        room.install("ai", renew=True)


def test_update_of_all_leaves_out_what_the_licence_no_longer_holds(
    room: Room, vendor: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nself_core.plugins.install.catalogue import Catalogue
    from nself_core.plugins.install.updates import choose

    paid(room)
    room.offer("hello")
    give(room, vendor, days=30)
    room.install("ai", "hello")
    paid(room, "1.1.0")
    room.offer("hello", "1.1.0")
    moved(monkeypatch, TODAY + timedelta(days=50))
    chosen = choose(room.home, [], Catalogue(room.home, [room.source]))
    assert [request.name for request in chosen.requests] == ["hello"]
    assert "acme/ai 1.1.0 needs your licence" in chosen.left_out[0]
    with pytest.raises(UserError, match="needs your licence"):
        choose(room.home, ["ai"], Catalogue(room.home, [room.source]))


def test_a_clock_before_the_licence_was_made(room: Room, vendor: SigningKey, monkeypatch: pytest.MonkeyPatch) -> None:
    paid(room)
    give(room, vendor)
    moved(monkeypatch, TODAY - timedelta(days=40))
    with pytest.raises(UserError, match="clock says 2026-05-06") as caught:
        room.install("ai")
    assert caught.value.code == "licence-clock"


def test_every_change_of_a_token_is_noticed(room: Room, vendor: SigningKey) -> None:
    text = give(room, vendor)
    known = token.vendor_keys(room.home)
    assert token.verified(text, known).holder == "Acme Ltd"
    for place in range(0, len(text), 3):
        other = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
        if other[-2:] != text[-2:]:  # the last character of Base64 carries spare bits
            continue
        with pytest.raises(UserError, match="no valid licence"):
            token.verified(other, known)
    for cut in (0, 5, len(text) // 2, len(text) - 4):
        with pytest.raises(UserError, match="no valid licence"):
            token.verified(text[:cut], known)


def test_a_token_by_another_key_or_of_another_kind(room: Room, vendor: SigningKey) -> None:
    known = token.vendor_keys(room.home)
    licence = Licence("Mallory", "pro", (), str(TODAY), "2999-01-01")
    forged = token.issue(licence, SigningKey("nself", bytes(32)))
    with pytest.raises(UserError, match="not the vendor's"):
        token.verified(forged, known)
    payload = forged.removeprefix("nself_pro_").partition(".")[0]
    content = json.loads(base64.urlsafe_b64decode(payload + "=="))
    body = json.dumps({**content, "key": vendor.id}, sort_keys=True, separators=(",", ":")).encode()
    plain = base64.urlsafe_b64encode(vendor.sign(body)).rstrip(b"=").decode()  # a signature without our encoding
    text = f"nself_pro_{base64.urlsafe_b64encode(body).rstrip(b'=').decode()}.{plain}"
    with pytest.raises(UserError, match="does not fit"):
        token.verified(text, known)
    strange = token.issue(replace(licence, format=2), vendor)
    with pytest.raises(UserError, match="a form that this nself does not know"):
        token.verified(strange, known)


def test_a_release_believes_only_the_keys_it_carries(room: Room, vendor: SigningKey, monkeypatch: pytest.MonkeyPatch) -> None:
    text = give(room, vendor)
    monkeypatch.setattr("nself_core.plugins.trust.in_wheel", lambda: True)
    with pytest.raises(UserError, match="not the vendor's"):
        token.verified(text, token.vendor_keys(room.home))


def test_the_environment_beats_the_file(room: Room, vendor: SigningKey, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = give(room, vendor)
    write_private(check.place(room.home), "rubbish")
    with pytest.raises(UserError, match="no valid licence") as caught:
        check.standing(room.home)
    assert caught.value.where.endswith("license/key")
    monkeypatch.setenv(check.VARIABLE, text)
    stands = check.standing(room.home)
    assert stands is not None
    assert stands.state == "valid"
