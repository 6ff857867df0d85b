"""What an operator does with a registry: keys, signatures, publishing, replacing and taking back."""

from __future__ import annotations

import json
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from builtin_plugins.registry import making, publishing, rotating
from builtin_plugins.registry.content import newest_of
from builtin_plugins.registry.folder import Folder
from builtin_plugins.registry.keyring import KeyRing, load, public_text
from builtin_plugins.registry.roles import bits_for, shards_for
from builtin_plugins.registry.verifying import verify
from hookspecs import Revocations, UserError
from nself_core.plugins.keys import keygen
from nself_core.plugins.publishers import Publishers
from tests.registry.operator import Operator


def names(operator: Operator, name: str = "bob") -> list[str]:
    """What a client lists."""
    return [f"{release.full_name} {release.version}" for release in operator.client(name).catalogue()]


# Making


def test_keys_are_private_and_the_root_needs_two_of_three(operator: Operator) -> None:
    pems = sorted(operator.keys.glob("*.pem"))
    assert [place.stem for place in pems] == ["catalogue", "root-1", "root-2", "root-3", "snapshot", "targets", "timestamp"]
    assert {place.stat().st_mode & 0o777 for place in pems} == {0o600}
    (root,) = operator.folder.roots()
    assert (root.signed.roles["root"].threshold, len(root.signed.roles["root"].keyids)) == (2, 3)
    assert root.signed.consistent_snapshot
    assert {key.keytype for key in root.signed.keys.values()} == {"ed25519"}
    assert not list(operator.folder.path.rglob("*.pem"))


def test_lifetimes_are_a_year_a_week_and_a_day(published: Operator) -> None:
    now = datetime.now(UTC)
    left = {role: (when - now).total_seconds() / 86_400 for role, when in verify(published.tree).expires.items()}
    assert round(left["root"]) == round(left["targets"]) == round(left["publisher-alice"]) == 365
    assert (round(left["snapshot"]), round(left["timestamp"])) == (7, 1)


def test_private_keys_are_never_made_in_a_git_tree(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    with pytest.raises(UserError, match="git working tree"):
        making.init(Folder(tmp_path / "r"), KeyRing(tmp_path / "keys"), "acme", ())
    assert not (tmp_path / "keys").exists()


def test_a_registry_is_not_made_twice(operator: Operator) -> None:
    with pytest.raises(UserError, match="there is a registry already"):
        making.init(operator.folder, operator.ring(), "acme", ())


def test_root_keys_may_live_on_three_machines(tmp_path: Path) -> None:
    machines = [KeyRing(tmp_path / name) for name in ("one", "two", "three")]
    texts = [public_text(ring.generate("key")) for ring in machines]
    folder = Folder(tmp_path / "registry")
    missing = making.init(folder, KeyRing(tmp_path / "keys"), "acme", texts)
    assert len(missing) == 3
    ring = KeyRing(tmp_path / "keys")
    with pytest.raises(UserError, match="signatures are missing for root"):
        publishing.publish(folder, ring, tmp_path / "public")
    assert len(rotating.sign(folder, "root", tmp_path / "one" / "key.pem")) == 2
    with pytest.raises(UserError, match="signatures are missing for root"):
        publishing.publish(folder, ring, tmp_path / "public")
    assert rotating.sign(folder, "root", tmp_path / "three" / "key.pem") == []
    publishing.publish(folder, ring, tmp_path / "public")
    assert verify(tmp_path / "public").faults == []


def test_a_key_without_a_say_cannot_sign(operator: Operator, tmp_path: Path) -> None:
    rotating.rotate(operator.folder, KeyRing(tmp_path / "none"), "timestamp")
    KeyRing(tmp_path / "stranger").generate("key")
    with pytest.raises(UserError, match="may not sign root"):
        rotating.sign(operator.folder, "root", tmp_path / "stranger" / "key.pem")


def test_a_key_that_others_can_read_is_refused(operator: Operator) -> None:
    (operator.keys / "root-1.pem").chmod(0o644)
    with pytest.raises(UserError, match="others can read this key"):
        operator.ring()


# Listing plugins


def test_what_was_published_is_offered(published: Operator) -> None:
    assert names(published) == ["alice/example 1.0.0", "alice/notes 1.0.0"]
    assert verify(published.tree).faults == []


def test_an_unsigned_plugin_is_not_listed(operator: Operator) -> None:
    with pytest.raises(UserError, match="it is not signed"):
        operator.add(operator.plugin(publisher="nobody"))
    assert operator.folder.entries() == []


def test_all_plugins_are_listed_or_none(operator: Operator) -> None:
    with pytest.raises(UserError):
        operator.add(operator.plugin("example"), operator.plugin("notes", publisher="nobody"))
    assert operator.folder.entries() == []


@pytest.mark.parametrize("change", ["a byte", "a file more", "a path that leads out"])
def test_a_changed_wheel_is_not_listed(operator: Operator, tmp_path: Path, change: str) -> None:
    wheel = operator.tools.pack(operator.plugin(), tmp_path / "wheels")
    changed = tmp_path / "changed" / wheel.name
    changed.parent.mkdir()
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            more = b"\n" if change == "a byte" and name.endswith("001_notes.sql") else b""
            new.writestr(name, old.read(name) + more)
        if change == "a file more":
            new.writestr("nself_plugin_notes/more.py", "")
        if change == "a path that leads out":
            new.writestr("../../outside.py", "")
    with pytest.raises(UserError, match="cannot be listed"):
        operator.add(changed)
    assert operator.folder.entries() == []
    assert not list(tmp_path.rglob("outside.py"))


def test_a_release_is_never_changed(published: Operator) -> None:
    with pytest.raises(UserError, match="is in the registry with other bytes"):
        published.add(published.plugin("notes", summary="Another text."))
    published.add(published.plugin("notes"))  # the same bytes: nothing happens


def test_another_publishers_key_does_not_count(published: Operator) -> None:
    stranger = Operator(published.place / "elsewhere").start()
    wheel = stranger.tools.pack(stranger.plugin("notes", "2.0.0"), stranger.place)
    with pytest.raises(UserError, match="cannot be listed"):
        published.add(wheel)


@pytest.mark.parametrize("name", ["catalogue", "plugins"])
def test_no_publisher_takes_a_name_of_the_catalogue(operator: Operator, name: str) -> None:
    keygen(operator.home, name)
    with pytest.raises(UserError, match="names a part of every registry"):
        operator.add(operator.plugin(publisher=name))


def test_the_level_counts_for_the_files_it_was_computed_of(operator: Operator) -> None:
    wheel = operator.tools.pack(operator.plugin(), operator.place / "wheels")
    (entry,) = operator.add(wheel, levels={operator.tools.content_hash(wheel): 6})
    assert entry.level == 6
    (other,) = operator.add(operator.plugin("example"), levels={"sha256:" + "0" * 64: 8})
    assert other.level == 0, "a report of other files says nothing"


def test_the_manifest_keeps_every_field_on_its_way(published: Operator) -> None:
    source = json.loads((published.plugin() / "nself_plugin_notes" / "plugin.json").read_text())
    (release,) = published.client().releases("notes")
    assert dict(release.manifest) == source


# Publishing


def test_a_publish_without_news_signs_the_time_alone(published: Operator) -> None:
    before = {place.name: place.read_bytes() for place in (published.tree / "metadata").iterdir()}
    assert published.publish().roles == ("timestamp",)
    after = {place.name: place.read_bytes() for place in (published.tree / "metadata").iterdir()}
    assert [name for name in after if after[name] != before.get(name)] == ["timestamp.json"]


def test_a_reader_of_the_old_state_is_served_on(published: Operator) -> None:
    reader = published.client()
    reader.refresh()
    published.add(published.plugin("notes", "1.1.0"))
    published.publish()
    assert [release.version for release in reader.releases("notes")] == ["1.0.0"]
    assert [release.version for release in published.client().releases("notes")] == ["1.0.0", "1.1.0"]


@pytest.mark.parametrize("stop_at", ["timestamp.json", ".snapshot.json", ".whl"])
def test_a_publish_that_is_cut_off_leaves_the_old_state(
    published: Operator, monkeypatch: pytest.MonkeyPatch, stop_at: str
) -> None:
    published.add(published.plugin("notes", "1.1.0"))

    def write(place: Path, content: bytes, *, sync: bool = True) -> None:
        if stop_at in str(place):
            raise KeyboardInterrupt
        real(place, content, sync=sync)

    real = publishing.write
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(publishing, "write", write)
        patch.setattr("builtin_plugins.registry.folder.write", write)
        published.publish()
    assert verify(published.tree).faults == []
    assert "alice/notes 1.0.0" in names(published)
    published.publish()
    assert verify(published.tree).faults == []
    assert "alice/notes 1.1.0" in names(published)


def test_metadata_is_renewed_before_it_expires(published: Operator) -> None:
    now = datetime.now(UTC)
    later = published.publish(now + timedelta(days=4)).roles
    assert later == ("snapshot", "timestamp")
    assert "root" not in published.publish(now + timedelta(days=100)).roles
    in_a_while = published.publish(now + timedelta(days=200)).roles
    assert {"targets", "publisher-alice", "catalogue", "plugins", "bin-0"} <= set(in_a_while)
    assert [root.signed.version for root in published.folder.roots()] == [1, 2]
    assert verify(published.tree, now=now + timedelta(days=200)).faults == []


def test_a_key_that_is_elsewhere_is_asked_for_in_time(published: Operator) -> None:
    (published.keys / "targets.pem").rename(published.place / "targets.pem")
    half = datetime.now(UTC) + timedelta(days=200)
    assert list(published.publish(half).ageing) == ["targets"]
    assert published.folder.staged_roles() == ["targets"]
    assert rotating.sign(published.folder, "targets", published.place / "targets.pem") == []
    assert "targets" in published.publish(half).roles


def test_an_expired_role_whose_key_is_elsewhere_stops_the_publish(published: Operator) -> None:
    (published.keys / "targets.pem").rename(published.place / "targets.pem")
    with pytest.raises(UserError, match="signatures are missing for targets"):
        published.publish(datetime.now(UTC) + timedelta(days=400))


# Publishers


def test_a_publisher_elsewhere_signs_for_itself(published: Operator) -> None:
    carol = Operator(published.place / "carol")
    key = keygen(carol.home, "carol")
    making.set_publisher(published.folder, "carol", carol.tools.own_keys()["carol"], vouched=False)
    published.add(carol.tools.pack(carol.plugin("notes", publisher="carol"), carol.place))
    waiting = published.publish().waiting
    assert list(waiting) == ["publisher-carol"]
    assert names(published) == ["alice/example 1.0.0", "alice/notes 1.0.0"], "the others need not wait"
    assert rotating.sign(published.folder, "publisher-carol", carol.tools.private_key("carol")) == []
    assert published.publish().waiting == {}
    assert "carol/notes 1.0.0" in names(published)
    assert verify(published.tree).faults == []
    assert key.publisher == "carol"


def test_a_publisher_that_the_registry_vouches_for_is_in_the_bins(published: Operator) -> None:
    keygen(published.home, "dave")
    making.set_publisher(published.folder, "dave", published.tools.own_keys()["dave"], vouched=True)
    published.add(published.plugin("notes", publisher="dave"))
    published.publish()
    assert not list((published.tree / "metadata").glob("*publisher-dave*"))
    dave = next(release for release in published.client().releases("notes") if release.publisher == "dave")
    assert published.client().download(dave, published.place, lambda _: None).exists()


@pytest.mark.parametrize(("targets", "bits"), [(0, 2), (2_000, 2), (2_001, 3), (600_000, 11)])
def test_there_are_as_many_bins_as_there_is_need_of(targets: int, bits: int) -> None:
    assert bits_for(targets) == bits


def test_the_listing_of_a_hundred_thousand_has_64_shards() -> None:
    assert (shards_for(1), shards_for(2_049), shards_for(100_000)) == (1, 2, 64)


# Keys and taking back


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets", "catalogue", "root"])
def test_clients_follow_when_a_key_is_replaced(published: Operator, role: str) -> None:
    assert names(published)
    rotating.rotate(published.folder, published.ring(), role, replaced="root-1" if role == "root" else "")
    published.add(published.plugin("notes", "1.1.0"))
    published.publish()
    assert "alice/notes 1.1.0" in names(published), "warm"
    assert "alice/notes 1.1.0" in names(published, "cold")
    assert verify(published.tree).faults == []
    roots = len(published.folder.roots())
    assert roots == (1 if role == "catalogue" else 2)


def test_a_replaced_key_signs_nothing_any_more(published: Operator) -> None:
    old = load(published.keys / "timestamp.pem").public_key.keyid
    rotating.rotate(published.folder, published.ring(), "timestamp")
    published.publish()
    content = json.loads((published.tree / "metadata" / "timestamp.json").read_text())
    assert old not in {signature["keyid"] for signature in content["signatures"]}


def test_a_root_key_is_replaced_with_signatures_of_old_and_new(published: Operator) -> None:
    """One lost key of three is no loss: the two others sign the root that replaces it."""
    (published.keys / "root-3.pem").unlink()
    assert rotating.rotate(published.folder, published.ring(), "root", replaced="root-3") == []
    published.publish()
    assert published.client().refresh()


def test_while_a_new_root_is_being_signed_the_old_one_serves(published: Operator) -> None:
    away = published.place / "away"
    away.mkdir()
    for number in (1, 2):
        (published.keys / f"root-{number}.pem").rename(away / f"root-{number}.pem")
    assert len(rotating.rotate(published.folder, published.ring(), "timestamp")) == 2
    published.add(published.plugin("notes", "1.1.0"))
    assert list(published.publish().waiting) == ["root"]
    assert "alice/notes 1.1.0" in names(published)
    assert rotating.sign(published.folder, "root", away / "root-1.pem") == []
    assert published.publish().waiting == {}
    assert [root.signed.version for root in published.folder.roots()] == [1, 2]
    assert "alice/notes 1.1.0" in names(published)


def test_an_expired_root_stops_the_publish_until_two_keys_sign(published: Operator) -> None:
    for number in (1, 2, 3):
        (published.keys / f"root-{number}.pem").rename(published.place / f"root-{number}.pem")
    later = datetime.now(UTC) + timedelta(days=370)
    with pytest.raises(UserError, match="signatures are missing for root"):
        published.publish(later)
    for number in (1, 3):
        rotating.sign(published.folder, "root", published.place / f"root-{number}.pem")
    published.publish(later)
    assert verify(published.tree, now=later).faults == []


def test_our_own_prefix_is_nobody_elses(operator: Operator) -> None:
    source = operator.plugin("notes")
    place = source / "nself_plugin_notes" / "plugin.json"
    place.write_text(json.dumps({**json.loads(place.read_text()), "name": "core-notes", "tables": []}))
    with pytest.raises(UserError, match="nself's own"):
        operator.add(source)


def test_a_publisher_changes_its_key(published: Operator) -> None:
    assert names(published)
    place = published.tools.private_key("alice")
    place.rename(place.with_name("alice-old.pem.away"))
    keygen(published.home, "alice")
    rotating.rotate(published.folder, published.ring(), "alice", new=published.tools.own_keys()["alice"])
    published.add(published.plugin("notes", "1.1.0"))
    published.publish()
    assert "alice/notes 1.1.0" in names(published)
    assert verify(published.tree).faults == []


def test_a_yanked_release_is_no_longer_the_newest(published: Operator) -> None:
    published.add(published.plugin("notes", "1.1.0"))
    making.yank(published.folder, "notes", "1.1.0", "loses notes")
    published.publish()
    assert "alice/notes 1.0.0" in names(published)
    yanked = {release.version: release.yanked for release in published.client().releases("notes")}
    assert yanked == {"1.0.0": False, "1.1.0": True}
    making.yank(published.folder, "notes", "1.1.0", "")
    published.publish()
    assert "alice/notes 1.1.0" in names(published)


def test_a_revoked_release_is_remembered_whatever_the_registry_says_later(published: Operator) -> None:
    making.revoke_version(published.folder, "alice/notes", "1.0.0", "sends notes away")
    published.publish()
    (release,) = published.client().releases("notes")
    assert release.revoked == "sends notes away"
    assert names(published) == ["alice/example 1.0.0"]
    record = published.folder.record
    published.folder.keep(record.model_copy(update={"revoked_versions": ()}))
    published.publish()
    assert published.client().releases("notes")[0].revoked == "sends notes away"
    assert published.client("cold").releases("notes")[0].revoked == ""


def test_a_revoked_publisher_is_gone_and_its_key_counts_no_more(published: Operator) -> None:
    from nself_core.plugins.revocations import Revocations as Remembered

    assert names(published)
    (release, *_) = published.client().releases("notes")
    making.revoke_publisher(published.folder, "alice", "key stolen")
    published.publish()
    assert names(published) == []
    assert published.client().releases("notes") == []
    (key,) = Publishers(published.home).own["alice"]
    assert "key stolen" in Remembered(published.place / "bob").reason(release.full_name, "1.0.0", key)
    with pytest.raises(UserError, match="does not vouch for it"):
        published.client().download(release, published.place, lambda _: None)


def test_the_newest_is_no_prerelease_where_there_is_another(operator: Operator) -> None:
    operator.add(operator.plugin("notes", "1.0.0"), operator.plugin("notes", "1.1.0-rc.1"), operator.plugin("notes", "0.9.0"))
    assert [entry.version for entry in newest_of(operator.folder.entries(), Revocations())] == ["1.0.0"]


# Verifying a tree


@pytest.mark.parametrize("fault", ["wheel", "wheel gone", "metadata", "document", "expired", "root", "other root"])
def test_each_fault_of_a_tree_is_found(published: Operator, fault: str) -> None:
    now, trusted = None, None
    if fault == "expired":
        now = datetime.now(UTC) + timedelta(days=2)
    elif fault == "other root":
        trusted = Operator(published.place / "other").start().folder.roots()[0].to_bytes()
    else:
        pattern = {"metadata": "metadata/*.snapshot.json", "document": "targets/plugins/*", "root": "metadata/1.root.json"}
        place = next(published.tree.glob(pattern.get(fault, "targets/alice/*.whl")))
        data = place.read_bytes()
        place.unlink()
        if fault != "wheel gone":
            place.write_bytes(
                data.replace(b'"threshold":2', b'"threshold":1') if fault == "root" else data.replace(b":", b": ", 1) + b" "
            )
    assert verify(published.tree, trusted, now).faults != []
