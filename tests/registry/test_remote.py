"""What a home reads of a connected registry, and what it refuses: warm (seen before) and cold, over HTTP and out of a folder."""

from __future__ import annotations

import dataclasses
import gzip
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from builtin_plugins.registry import making, rotating
from hookspecs import UserError
from nself_core.plugins.sources.model import Release
from nself_core.plugins.sources.registries import connect, connected, disconnect, sources
from nself_core.plugins.sources.remote import RemoteSource
from tests.registry.operator import Operator, served

pytestmark = pytest.mark.slow  # many signatures; no service is started


def everything(source: RemoteSource, into: Path) -> list[Release]:
    """All that an installation asks of a registry."""
    assert [release.name for release in source.catalogue()] == ["example", "notes"]
    found = source.releases("notes")
    came: list[int] = []
    wheel = source.download(found[-1], into, came.append)
    assert wheel.stat().st_size == found[-1].length == sum(came)
    return found


def test_over_http_and_out_of_a_folder_alike(published: Operator) -> None:
    with served(published.tree) as url:
        over_http = everything(published.client("http", url), published.place)
    assert over_http == everything(published.client("folder"), published.place)


def test_a_listing_names_no_file_and_download_finds_it(published: Operator) -> None:
    source = published.client()
    listed = next(release for release in source.catalogue() if release.name == "notes")
    assert (listed.file, dict(listed.manifest)) == ("", {})
    assert source.download(listed, published.place, lambda _: None).suffix == ".whl"


def test_unknown_names_have_no_releases(published: Operator) -> None:
    assert published.client().releases("no-such-plugin") == []


def test_warm_reads_ask_for_root_and_timestamp_alone(published: Operator) -> None:
    with served(published.tree) as url:
        everything(published.client("bob", url), published.place)
        asked: list[str] = []
        source = published.client("bob", url)
        fetcher = source.client._fetcher
        real = fetcher._fetch
        fetcher._fetch = lambda address: (asked.append(address.rpartition("/")[2]), real(address))[1]  # type: ignore[method-assign]
        source.catalogue()
        source.releases("notes")
    assert asked == ["2.root.json", "timestamp.json"]


# Nobody answers


def test_what_is_kept_serves_while_it_holds(published: Operator) -> None:
    with served(published.tree) as url:
        everything(published.client("bob", url), published.place)
    source = published.client("bob", url)
    assert [release.name for release in source.catalogue()] == ["example", "notes"]
    assert [release.version for release in source.releases("notes")] == ["1.0.0"]
    assert source.client.offline
    with pytest.raises(UserError, match="not reached") as refused:
        source.download(source.releases("notes")[0], published.place, lambda _: None)
    assert refused.value.code == "registry-unreachable"


def test_a_registry_that_was_never_reached_offers_nothing(published: Operator) -> None:
    with served(published.tree) as url:
        pass
    with pytest.raises(UserError, match="not reached"):
        published.client("bob", url)
    assert connected(published.place / "bob") == []
    assert not (published.place / "bob" / "registries" / "acme").exists()


def test_what_is_kept_expires_too(published: Operator) -> None:
    published.publish(datetime.now(UTC) - timedelta(hours=23, minutes=59, seconds=57))
    with served(published.tree) as url:
        published.client("bob", url).refresh()
    time.sleep(4)
    with pytest.raises(UserError) as refused:
        published.client("bob", url).catalogue()
    assert refused.value.code == "registry-unreachable"
    assert "what is kept of it expired on" in refused.value.message


# Freeze, clock, rollback


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
def test_expired_metadata_is_refused_and_the_clock_named(published: Operator, warm: bool) -> None:
    with served(published.tree) as url:
        if warm:
            everything(published.client("bob", url), published.place)
        published.publish(datetime.now(UTC) - timedelta(days=3))
        with pytest.raises(UserError) as refused:
            published.client("bob", url).catalogue()
    assert refused.value.code == "registry-expired"
    assert "this machine's clock is wrong (it says" in refused.value.message
    assert "the server says" in refused.value.message
    assert "date and time" in refused.value.remedy


def test_a_replayed_state_is_refused_by_who_saw_a_newer_one(published: Operator) -> None:
    old = {place: place.read_bytes() for place in published.tree.rglob("*") if place.is_file()}
    published.add(published.plugin("notes", "1.1.0"))
    published.publish()
    assert published.client().releases("notes")[-1].version == "1.1.0"
    (published.tree / "metadata" / "timestamp.json").write_bytes(old[published.tree / "metadata" / "timestamp.json"])
    with pytest.raises(UserError) as refused:
        published.client().releases("notes")
    assert refused.value.code == "registry-rollback"


# Tampered bytes at every hop: file → what is done to it, the kind of refusal

Change = Callable[[bytes], bytes]


def one_byte(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def longer(data: bytes) -> bytes:
    return data + b" " * 100


def bomb(data: bytes) -> bytes:
    return gzip.compress(b"\0" * 200_000_000, 1)


FILES = ("targets/catalogue/*.json.gz", "targets/catalogue/*.revocations.json",
         "targets/plugins/*.notes.json.gz", "targets/alice/*notes*.whl")  # fmt: skip


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
@pytest.mark.parametrize("change", [one_byte, cut, longer, bomb, None])
@pytest.mark.parametrize("pattern", FILES)
def test_a_tampered_file_is_refused_and_nothing_is_kept_of_it(
    published: Operator, pattern: str, change: Change | None, warm: bool
) -> None:
    before = set(published.tree.glob(pattern))
    if warm:  # news of everything, after a first look
        everything(published.client(), published.place)
        published.add(published.plugin("notes", "1.1.0"))
        making.revoke_version(published.folder, "notes", "1.0.0", "a reason")
        published.publish()
    places = set(published.tree.glob(pattern))
    (place,) = places - before if warm else places
    data = place.read_bytes()
    place.unlink()
    if change is not None:
        place.write_bytes(change(data))
    into = published.place / "into"
    into.mkdir()
    with pytest.raises(UserError) as refused:
        everything(published.client("bob" if warm else "cold"), into)
    allowed = {None: {"registry-missing"}, longer: {"registry-length"}, bomb: {"registry-length"}}
    assert refused.value.code in allowed.get(change, {"registry-hash"})
    assert list(into.iterdir()) == []
    place.write_bytes(data)
    everything(published.client("bob" if warm else "cold"), into)


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
@pytest.mark.parametrize("role", ["targets", "catalogue", "plugins", "publisher-alice", "snapshot"])
def test_tampered_metadata_is_refused(published: Operator, role: str, warm: bool) -> None:
    if warm:
        everything(published.client(), published.place)
    published.add(published.plugin("notes", "1.1.0"))
    rotating.rotate(published.folder, published.ring(), "catalogue")
    published.publish()
    place = max((published.tree / "metadata").glob(f"*.{role}.json"), key=lambda one: int(one.name.partition(".")[0]))
    content = json.loads(place.read_bytes())
    content["signed"]["x-more"] = 1
    place.write_text(json.dumps(content, separators=(",", ":")))
    with pytest.raises(UserError) as refused:
        source = published.client("bob" if warm else "cold")
        source.download(source.releases("notes")[-1], published.place, lambda _: None)
        source.catalogue()
    assert refused.value.code in {"registry-signature", "registry-length", "registry-hash"}


@pytest.mark.parametrize("folder", ["metadata", "targets"])
def test_what_is_kept_is_verified_again_at_each_reading(published: Operator, folder: str) -> None:
    everything(published.client(), published.place)
    for place in (published.place / "bob" / "registries" / "acme" / "state" / folder).iterdir():
        if place.is_file() and not place.is_symlink():
            place.write_bytes(b'{"signed": {}, "signatures": []}')
    everything(published.client(), published.place)


def test_a_catalogue_that_says_other_than_the_publisher_is_refused(published: Operator) -> None:
    """The machine that signs the catalogue alone cannot pass another wheel off as the publisher's."""
    entry = published.folder.entry("alice", "notes", "1.0.0")
    assert entry is not None
    source = published.client()
    (release,) = source.releases("notes")
    forged = dataclasses.replace(release, sha256="0" * 64)
    with pytest.raises(UserError, match="say different things"):
        source.download(forged, published.place, lambda _: None)
    with pytest.raises(UserError, match="does not vouch for it"):
        source.download(dataclasses.replace(release, file="other-1.0.0-py3-none-any.whl"), published.place, lambda _: None)


def test_a_document_that_is_signed_and_senseless_is_refused(published: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    from builtin_plugins.registry import content

    monkeypatch.setattr(content.catalogue, "pack", lambda document: gzip.compress(b"\0" * 100_000_000, 1))
    published.add(published.plugin("notes", "1.1.0"))
    published.publish()
    with pytest.raises(UserError, match="cannot be read"):
        published.client("cold").releases("notes")


# Connecting


def test_the_registry_must_fit_the_root_that_is_trusted(published: Operator) -> None:
    other = Operator(published.place / "other").start()
    root = other.folder.roots()[0].to_bytes()
    with pytest.raises(UserError) as refused:
        connect(published.place / "bob", "acme", str(published.tree), root)
    assert refused.value.code == "registry-signature"
    assert connected(published.place / "bob") == []


@pytest.mark.parametrize("root", [b"", b"{}", b'{"signed": {"_type": "root"}}', b"\xff\xfe"])
def test_what_is_no_root_is_refused(published: Operator, root: bytes) -> None:
    with pytest.raises(UserError, match="no root metadata"):
        connect(published.place / "bob", "acme", str(published.tree), root)


def test_a_tampered_root_is_no_root(published: Operator) -> None:
    root = (published.tree / "root.json").read_bytes().replace(b'"threshold":2', b'"threshold":1')
    with pytest.raises(UserError, match="no root metadata"):
        connect(published.place / "bob", "acme", str(published.tree), root)


@pytest.mark.parametrize("name", ["embedded", "pypi", "Acme", "../acme", "", "a" * 61])
def test_names_that_mean_something_else_are_refused(published: Operator, name: str) -> None:
    with pytest.raises(UserError, match="cannot name a registry"):
        connect(published.place / "bob", name, str(published.tree), (published.tree / "root.json").read_bytes())


@pytest.mark.parametrize("url", ["ftp://example.org", "nowhere", "https://user:word@example.org", "javascript:alert(1)", ""])
def test_addresses_that_are_none_are_refused(published: Operator, url: str) -> None:
    with pytest.raises(UserError):
        connect(published.place / "bob", "acme", url, (published.tree / "root.json").read_bytes())


def test_connected_ones_follow_the_embedded_one_and_go_when_asked(published: Operator) -> None:
    published.client()
    home = published.place / "bob"
    assert [source.name for source in sources(home)] == ["embedded", "acme"]
    disconnect(home, "acme")
    assert [source.name for source in sources(home)] == ["embedded"]
    with pytest.raises(UserError, match="no registry 'acme' is connected"):
        disconnect(home, "acme")


def test_nothing_of_a_registry_can_be_read_by_others(published: Operator) -> None:
    published.client()
    folder = published.place / "bob" / "registries" / "acme"
    assert {place.stat().st_mode & 0o077 for place in (folder, folder / "root.json", folder / "registry.json")} == {0}
