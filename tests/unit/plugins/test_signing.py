"""Signatures of plugins: what they bind, and every way to be false."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest

from hookspecs import UserError
from nself_core.plugins import keys, signing
from nself_core.plugins.hashing import hash_files
from nself_core.plugins.publishers import Publishers
from nself_core.plugins.signing import Signature, SignatureError, Signer, SigningKey, UntrustedError

SECRET = b"a shared secret of forty-two characters ok"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "plugin"
    (place / "schema").mkdir(parents=True)
    manifest = {"name": "hello", "version": "1.2.3", "summary": "Says hello.", "publisher": "acme"}
    (place / "plugin.json").write_text(json.dumps(manifest))
    (place / "__init__.py").write_text("")
    (place / "schema" / "001.sql").write_text("SELECT 1")
    return place


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def check(folder: Path, publishers: Publishers, signature: Signature | None = None) -> Signer:
    manifest = json.loads((folder / "plugin.json").read_text())
    read = signature or signing.read_signature(folder)
    assert read is not None
    return signing.verify(read, manifest, hash_files(str(folder)), publishers)


def test_the_encoding_is_that_of_the_envelope_specification() -> None:
    encoded = signing.pre_authentication_encoding("http://example.com/HelloWorld", b"hello world")
    assert encoded == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"  # the specification's own example


def test_a_trusted_publishers_signature_counts(folder: Path, home: Path, tmp_path: Path) -> None:
    key = keys.keygen(tmp_path / "author", "acme")
    signing.sign(folder, key)
    publishers = Publishers(home)
    with pytest.raises(UntrustedError, match="which you do not trust"):
        check(folder, publishers)
    publishers.add("acme", key.public)
    assert check(folder, publishers) == Signer("signed", "acme", key.id)
    assert check(folder, Publishers(home)).kind == "signed"


def test_ones_own_key_is_local(folder: Path, home: Path) -> None:
    signing.sign(folder, keys.keygen(home, "acme"))
    assert check(folder, Publishers(home)).kind == "local"


def test_a_shared_secret(folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signing.sign(folder, SigningKey("acme", SECRET, "hmac-sha256"))
    with pytest.raises(UntrustedError, match="none is kept here"):
        check(folder, Publishers(home))
    place = home / "team.secret"
    home.mkdir()
    place.write_bytes(SECRET + b"\n")
    monkeypatch.setenv(keys.SECRET_VARIABLE, str(place))
    with pytest.raises(UserError, match="others can read"):
        check(folder, Publishers(home))
    place.chmod(0o600)
    assert check(folder, Publishers(home)).kind == "hmac"
    place.write_bytes(SECRET[::-1])
    with pytest.raises(SignatureError, match="not signed with the shared secret"):
        check(folder, Publishers(home))
    publishers = Publishers(home)
    publishers.add("acme", SigningKey("acme", bytes(32)).public)
    with pytest.raises(SignatureError, match="key of its own"):
        check(folder, publishers)


FIELDS = {
    "name": "other", "version": "9.9.9", "publisher": "mallory", "key": "0" * 32, "scheme": "hmac-sha256", "files": {},
    "signature": base64.b64encode(bytes(64)).decode(),
}  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_is_bound(folder: Path, home: Path, name: str) -> None:
    publishers = Publishers(home)
    key = keys.keygen(home, "acme")
    publishers.add("acme", key.public)
    signing.sign(folder, key)
    good = signing.read_signature(folder)
    assert good is not None
    bad = replace(good, **{name: FIELDS[name]})
    assert name == "signature" or bad.message != good.message
    with pytest.raises(SignatureError):
        check(folder, publishers, bad)


def test_a_key_vouches_for_its_own_publisher_alone(folder: Path, home: Path) -> None:
    publishers = Publishers(home)
    mallory = SigningKey("mallory", bytes(31) + b"m")
    publishers.add("mallory", mallory.public)
    publishers.add("acme", SigningKey("acme", bytes(31) + b"a").public)
    signing.sign(folder, replace(mallory, publisher="acme"))
    with pytest.raises(UntrustedError):
        check(folder, publishers)
    with pytest.raises(SignatureError, match="names acme as its publisher"):
        signing.sign(folder, mallory)


def test_a_pinned_publisher_keeps_its_key(home: Path) -> None:
    publishers = Publishers(home)
    first, second = SigningKey("acme", bytes(31) + b"1").public, SigningKey("acme", bytes(31) + b"2").public
    publishers.add("acme", first)
    publishers.add("acme", first)
    with pytest.raises(UserError, match="trusted by another key"):
        publishers.add("acme", second)
    publishers.add("acme", second, also=True)
    assert len(Publishers(home).trusted["acme"]) == 2
    assert publishers.remove("acme")
    assert not Publishers(home).pinned("acme")
    with pytest.raises(UserError, match="come with the program"):
        publishers.add("nself", first)
    (home / "publishers.json").write_text(json.dumps({"publishers": {"nself": [keys.public_text(first)]}}))
    assert signing.key_id(first) not in Publishers(home).trusted["nself"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "no JSON"),
        ("[]", "must hold exactly"),
        ("{}", "must hold exactly"),
        ("[" * 100_000, "no JSON"),
        (json.dumps(dict.fromkeys(Signature.__slots__, 1)), "scheme 1"),
        (json.dumps({**dict.fromkeys(Signature.__slots__, "x"), "format": 2}), "of format 2"),
        (json.dumps({**dict.fromkeys(Signature.__slots__, "x"), "format": 1, "scheme": "ed25519"}), "other than texts"),
        ('{"format": 1' + " " * signing.MAX_BYTES + "}", "is larger than"),
    ],
)
def test_a_broken_file_is_told(folder: Path, text: str, told: str) -> None:
    (folder / signing.SIGNATURE).write_text(text)
    with pytest.raises(SignatureError, match=told):
        signing.read_signature(folder)


def test_what_nobody_can_vouch_for_is_not_signed(folder: Path, home: Path) -> None:
    key = keys.keygen(home, "acme")
    (folder / "away").symlink_to("/etc/passwd")
    with pytest.raises(SignatureError, match="away is a link to a file"):
        signing.sign(folder, key)
    (folder / "away").unlink()
    (folder / "__pycache__").mkdir()
    with pytest.raises(SignatureError, match="__pycache__"):
        signing.sign(folder, key)


def test_keys_are_private_and_never_overwritten(home: Path) -> None:
    made = keys.keygen(home, "acme")
    place = home / "keys" / "acme.pem"
    assert place.stat().st_mode & 0o777 == 0o600
    assert place.parent.stat().st_mode & 0o777 == 0o700
    assert made.secret.hex() not in repr(made)
    assert repr(made.secret) not in repr(made)
    assert keys.load_key(home, "acme") == made
    with pytest.raises(UserError, match="already"):
        keys.keygen(home, "acme")
    place.chmod(0o644)
    with pytest.raises(UserError, match="others can read"):
        keys.load_key(home, "acme")
    for name in ("../up", "", "UPPER", "a/b"):
        with pytest.raises(UserError, match="no name of a publisher"):
            keys.keygen(home, name)
