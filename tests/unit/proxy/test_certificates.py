"""The local authority and its leaf certificates, moved through time."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from hookspecs import UserError
from nself_core.certificates import ensure, record, stores

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def leaf(state: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate((state / "certs/local/fullchain.pem").read_bytes())


def test_made_once_and_renewed_when_it_ends_soon(tmp_path: Path) -> None:
    home, state = tmp_path / "home", tmp_path / "state"
    assert ensure(home, state, "local", ["a.test"], NOW).made
    assert not ensure(home, state, "local", ["A.test"], NOW + timedelta(days=366)).made
    assert ensure(home, state, "local", ["a.test"], NOW + timedelta(days=368)).made
    assert leaf(state).not_valid_after_utc == NOW + timedelta(days=368 + 397)


def test_renewed_when_the_authority_changed(tmp_path: Path) -> None:
    home, state = tmp_path / "home", tmp_path / "state"
    ensure(home, state, "local", ["a.test"], NOW)
    shutil.rmtree(home / "ca")
    assert ensure(home, state, "local", ["a.test"], NOW).made


def test_an_ended_authority_makes_way(tmp_path: Path) -> None:
    home, state = tmp_path / "home", tmp_path / "state"
    ensure(home, state, "local", ["a.test"], NOW)
    later = NOW + timedelta(days=3660)
    assert ensure(home, state, "local", ["a.test"], later).made
    assert leaf(state).not_valid_before_utc > NOW + timedelta(days=3650)
    assert len(list(home.glob("ca-ended-*"))) == 1


def test_a_making_cut_short_is_made_anew(tmp_path: Path) -> None:
    home, state = tmp_path / "home", tmp_path / "state"
    files = ensure(home, state, "local", ["a.test"], NOW)
    record.begin(state / "certs/local")
    files.privkey.write_bytes(b"of another certificate")
    assert ensure(home, state, "local", ["a.test"], NOW).made
    assert b"PRIVATE KEY" in files.privkey.read_bytes()


def test_a_broken_authority_is_told(tmp_path: Path) -> None:
    home, state = tmp_path / "home", tmp_path / "state"
    ensure(home, state, "local", ["a.test"], NOW)
    (home / "ca/rootCA-key.pem").write_text("broken")
    with pytest.raises(UserError) as caught:
        ensure(home, state, "local", ["b.test"], NOW)
    assert caught.value.code == "ca-broken"


def test_store_commands_are_argument_lists(tmp_path: Path) -> None:
    store = stores.linux(tmp_path / "ca.pem", Path("/anchors/nself.crt"), ("update-ca-certificates",))
    assert store.install == (
        ("install", "-D", "-m", "644", str(tmp_path / "ca.pem"), "/anchors/nself.crt"),
        ("update-ca-certificates",),
    )
    assert store.uninstall[0] == ("rm", "-f", "/anchors/nself.crt")
    assert stores.mac(tmp_path / "ca.pem").install[0][:2] == ("security", "add-trusted-cert")
