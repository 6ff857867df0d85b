"""Every attack that the specification of The Update Framework names, upon the client behind ``nself plugin``.

The client is driven by the commands of the public suite tuf-conformance. Each attack is made on a client that has never seen the
repository (cold) and on one that has (warm), and it is refused without anything kept being changed for the worse.
"""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, TargetFile

from nself_core.plugins.sources import fetching
from tests.tuf_conformance.client import main
from tests.tuf_conformance.repository import DRIPPING, ENDLESS, TOP, Repository, later, served

pytestmark = pytest.mark.slow
CLIENT = Path(__file__).with_name("client.py")


@dataclass
class Subject:
    """The client under test, in folders of its own. A program for each call would take an hour of all tests together."""

    folder: Path
    url: str
    as_program: bool = False

    def __call__(self, command: str, *more: str) -> tuple[int, str]:
        """Exit code and what it says on standard error."""
        argv = ["--metadata-dir", str(self.folder / "metadata"), "--metadata-url", f"{self.url}/metadata/", *more, command]
        if command == "init":
            argv = ["--metadata-dir", str(self.folder / "metadata"), "init", *more]
        if self.as_program:
            done = subprocess.run([sys.executable, CLIENT, *argv], capture_output=True, text=True, check=False, timeout=120)
            return done.returncode, done.stderr
        told = io.StringIO()
        with contextlib.redirect_stderr(told):
            code = main(argv)
        return code, told.getvalue()

    def download(self, target: str) -> tuple[int, str]:
        where = ("--target-base-url", f"{self.url}/targets/", "--target-dir", str(self.folder / "targets"))
        return self("download", "--target-name", target, *where)

    def downloaded(self) -> list[bytes]:
        return sorted(place.read_bytes() for place in (self.folder / "targets").glob("*"))

    def kept(self) -> dict[str, int]:
        """The version of each role that the client keeps."""
        found = {}
        for place in (self.folder / "metadata").glob("*.json"):
            found[place.stem] = int(Metadata.from_bytes(place.read_bytes()).signed.version)
        return found


@pytest.fixture
def repository() -> Repository:
    return Repository()


@pytest.fixture
def subject(repository: Repository, tmp_path: Path) -> Iterator[Subject]:
    with served(repository) as url:
        made = Subject(tmp_path, url)
        (tmp_path / "trusted.json").write_bytes(repository.first_root)
        assert made("init", str(tmp_path / "trusted.json"))[0] == 0
        yield made


# What must work


def test_the_commands_work_as_a_program(subject: Subject) -> None:
    subject.as_program = True
    assert subject("refresh") == (0, "")
    assert subject.download("other/two.txt") == (0, "")
    assert subject.download("no/such.txt")[0] == 1
    assert subject.downloaded() == [b"two"]


def test_a_refresh_asks_for_what_it_needs_and_no_more(subject: Subject, repository: Repository) -> None:
    assert subject("refresh")[0] == 0
    first = ["2.root", "timestamp", "1.snapshot", "1.targets"]
    assert repository.asked == [f"metadata/{name}.json" for name in first]
    assert subject.kept() == dict.fromkeys(TOP, 1)
    repository.asked.clear()
    assert subject("refresh")[0] == 0
    assert repository.asked == ["metadata/2.root.json", "metadata/timestamp.json"]


@pytest.mark.parametrize(("target", "content"), [("top.txt", b"top"), ("team/one.txt", b"one"), ("other/two.txt", b"two")])
def test_targets_are_found_by_their_delegation_and_kept(
    subject: Subject, repository: Repository, target: str, content: bytes
) -> None:
    assert subject.download(target)[0] == 0
    assert subject.downloaded() == [content]
    repository.asked.clear()
    assert subject.download(target)[0] == 0
    assert not [name for name in repository.asked if name.startswith("targets/")], "it is there already"
    repository.add_target(target, content + b" anew")
    repository.update()
    assert subject.download(target)[0] == 0
    assert subject.downloaded() == [content + b" anew"]


def test_a_target_that_nobody_lists_is_none(subject: Subject) -> None:
    assert subject.download("no/such.txt")[0] == 1
    assert subject.kept()["timestamp"] == 1


def test_keys_are_followed_through_many_roots(subject: Subject, repository: Repository) -> None:
    assert subject("refresh")[0] == 0
    for _ in range(5):
        old = repository.replace_key("root")
        repository.next_root([old, *repository.keys["root"]])
    for role in ("timestamp", "snapshot", "targets"):
        repository.replace_key(role)
    repository.next_root()
    repository.update()
    assert subject("refresh")[0] == 0
    assert subject.kept()["root"] == 7
    assert subject.kept()["timestamp"] == 2


def test_a_fast_forward_is_undone_by_new_keys(subject: Subject, repository: Repository) -> None:
    """Whoever had the keys of timestamp and snapshot may have given out the highest version; new keys let versions begin anew."""
    repository.timestamp.version = repository.snapshot.version = 2**31
    repository.publish()
    assert subject("refresh")[0] == 0
    assert subject.kept()["timestamp"] == 2**31
    repository.timestamp.version = repository.snapshot.version = 2
    repository.publish()
    assert subject("refresh")[0] == 1, "lower than what was seen, by the same keys"
    for role in ("timestamp", "snapshot"):
        repository.replace_key(role)
    repository.next_root()
    repository.publish()
    assert subject("refresh")[0] == 0
    assert subject.kept()["timestamp"] == 2


def test_a_timestamp_of_the_same_version_is_not_taken_again(subject: Subject, repository: Repository) -> None:
    assert subject("refresh")[0] == 0
    repository.timestamp.snapshot_meta.version = 100
    repository.put("timestamp", repository.timestamp)
    assert subject("refresh")[0] == 0
    kept = Metadata.from_bytes((subject.folder / "metadata" / "timestamp.json").read_bytes())
    assert kept.signed.snapshot_meta.version == 1


def test_unknown_fields_are_signed_like_the_others(subject: Subject, repository: Repository) -> None:
    repository.root.unrecognized_fields["more"] = {"a": [1, 2]}
    repository.next_root()
    assert subject("refresh")[0] == 0
    assert subject.kept()["root"] == 2


# What must be refused: name → (what is done, the kind of refusal)

Bend = Callable[[Repository], None]


def stranger() -> list[CryptoSigner]:
    return [CryptoSigner.generate_ed25519()]


def foreign(role: str) -> Bend:
    """Metadata signed by a key that has no say."""

    def bend(repository: Repository) -> None:
        repository.update()
        if role == "root":
            repository.next_root(stranger())
        else:
            repository.put(role, getattr(repository, role), stranger())
            if role == "snapshot":
                _stamp_again(repository)

    return bend


def expired(role: str) -> Bend:
    def bend(repository: Repository) -> None:
        getattr(repository, role).expires = later(hours=-1)
        if role == "root":
            repository.next_root()
        repository.update()

    return bend


def unreadable(role: str) -> Bend:
    def bend(repository: Repository) -> None:
        repository.update()
        if role == "root":
            repository.next_root()
        version = getattr(repository, role).version
        name = "timestamp.json" if role == "timestamp" else f"{version}.{role}.json"
        repository.files[f"metadata/{name}"] = b'{"signed": {}, "signatures": [' + b"x" * 40

    return bend


def endless(role: str) -> Bend:
    def bend(repository: Repository) -> None:
        repository.update()
        if role == "root":
            repository.next_root()
        name = "timestamp.json" if role == "timestamp" else f"{getattr(repository, role).version}.{role}.json"
        repository.files[f"metadata/{name}"] = ENDLESS

    return bend


def missing(role: str) -> Bend:
    def bend(repository: Repository) -> None:
        repository.update()
        name = "timestamp.json" if role == "timestamp" else f"{getattr(repository, role).version}.{role}.json"
        del repository.files[f"metadata/{name}"]

    return bend


def root_of_another_version(repository: Repository) -> None:
    repository.root.version += 2
    data = repository.signed("root", repository.root)
    repository.files["metadata/2.root.json"] = data


def root_not_signed_by_the_one_before(repository: Repository) -> None:
    repository.replace_key("root")
    repository.next_root()


def root_not_signed_by_its_own_key(repository: Repository) -> None:
    old = repository.replace_key("root")
    repository.next_root([old])


def root_of_two_signed_once(repository: Repository) -> None:
    other = CryptoSigner.generate_ed25519()
    repository.root.add_key(other.public_key, "root")
    repository.root.roles["root"].threshold = 2
    repository.next_root()


def root_whose_one_key_counts_twice(repository: Repository) -> None:
    """The threshold is of keys: the same key under two ids is one key."""
    again = CryptoSigner.generate_ed25519()
    repository.root.add_key(again.public_key, "root")
    repository.root.roles["root"].threshold = 2
    repository.root.version += 1
    data = Metadata.from_bytes(repository.signed("root", repository.root))
    (signature,) = data.signatures.values()
    data.signatures[again.public_key.keyid] = type(signature)(again.public_key.keyid, signature.signature)
    repository.files["metadata/2.root.json"] = data.to_bytes()


def snapshot_of_other_bytes(repository: Repository) -> None:
    repository.update()
    name = f"metadata/{repository.snapshot.version}.snapshot.json"
    data = repository.files[name]
    at = data.index(b'"sig":"') + len(b'"sig":"')
    repository.files[name] = data[:at] + (b"0" if data[at : at + 1] != b"0" else b"1") + data[at + 1 :]


def snapshot_of_another_version(repository: Repository) -> None:
    repository.update()
    repository.snapshot.version += 1
    data = repository.signed("snapshot", repository.snapshot)
    repository.files[f"metadata/{repository.snapshot.version - 1}.snapshot.json"] = data
    repository.timestamp.snapshot_meta.length = repository.timestamp.snapshot_meta.hashes = None
    repository.put("timestamp", repository.timestamp)


def targets_of_another_version(repository: Repository) -> None:
    """Mix and match: the targets of another state than the snapshot names."""
    repository.update()
    wanted = repository.targets.version
    repository.targets.version += 1
    repository.files[f"metadata/{wanted}.targets.json"] = repository.signed("targets", repository.targets)


def _stamp_again(repository: Repository) -> None:
    repository.timestamp.snapshot_meta.length = repository.timestamp.snapshot_meta.hashes = None
    repository.put("timestamp", repository.timestamp)


ATTACKS: dict[str, tuple[Bend, str]] = {
    **{f"{role} signed by a stranger": (foreign(role), "signature") for role in TOP},
    **{f"{role} expired (freeze)": (expired(role), "expired") for role in TOP},
    **{f"{role} is no JSON": (unreadable(role), "hash" if role == "snapshot" else "invalid") for role in TOP},
    **{f"{role} without end": (endless(role), "length") for role in TOP},
    **{f"{role} missing": (missing(role), "missing") for role in TOP if role != "root"},
    "root of another version": (root_of_another_version, "rollback"),
    "root not signed by the one before": (root_not_signed_by_the_one_before, "signature"),
    "root not signed by its own key": (root_not_signed_by_its_own_key, "signature"),
    "root signed once of two": (root_of_two_signed_once, "signature"),
    "root with one signature for two keys": (root_whose_one_key_counts_twice, "signature"),
    "snapshot of other bytes than the timestamp says": (snapshot_of_other_bytes, "hash"),
    "snapshot of another version than the timestamp says": (snapshot_of_another_version, "rollback"),
    "targets of another version than the snapshot says": (targets_of_another_version, "rollback"),
}


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_on_the_metadata_is_refused(subject: Subject, repository: Repository, name: str, warm: bool) -> None:
    bend, kind = ATTACKS[name]
    if warm:
        assert subject("refresh")[0] == 0
    before = subject.kept()
    bend(repository)
    code, told = subject("refresh")
    assert code == 1
    assert told.startswith(f"registry-{kind}:"), told
    after = subject.kept()
    assert {role: version for role, version in after.items() if version < before.get(role, 0)} == {}
    attacked = name.split(maxsplit=1)[0]
    if "expired" not in name:  # expired metadata may be kept: it is genuine, and never used
        assert after.get(attacked, 0) == before.get(attacked, 1 if attacked == "root" else 0), "what was attacked is not kept"


# What only a client that has seen more can notice: rollback


def older_timestamp(repository: Repository) -> None:
    repository.timestamp.version -= 1
    repository.put("timestamp", repository.timestamp)


def older_snapshot_in_timestamp(repository: Repository) -> None:
    repository.timestamp.version += 1
    repository.timestamp.snapshot_meta.version -= 1
    repository.put("timestamp", repository.timestamp)


def older_targets_in_snapshot(repository: Repository) -> None:
    repository.targets.version -= 1
    repository.snapshot.version += 1
    repository.timestamp.version += 1
    repository.publish()


def a_role_gone_from_the_snapshot(repository: Repository) -> None:
    repository.snapshot.version += 1
    repository.timestamp.version += 1
    del repository.snapshot.meta["targets.json"]
    data = repository.put("snapshot", repository.snapshot)
    repository.timestamp.snapshot_meta.version = repository.snapshot.version
    repository.timestamp.snapshot_meta.length = len(data)
    repository.timestamp.snapshot_meta.hashes = None
    repository.put("timestamp", repository.timestamp)


ROLLBACKS: dict[str, Bend] = {
    "replayed timestamp": older_timestamp,
    "older snapshot": older_snapshot_in_timestamp,
    "older targets": older_targets_in_snapshot,
    "a role gone": a_role_gone_from_the_snapshot,
}


@pytest.mark.parametrize("name", ROLLBACKS)
def test_a_rollback_is_refused(subject: Subject, repository: Repository, name: str) -> None:
    repository.update()
    repository.update()
    assert subject("refresh")[0] == 0
    before = subject.kept()
    ROLLBACKS[name](repository)
    code, told = subject("refresh")
    assert code == 1
    assert told.startswith(("registry-rollback:", "registry-invalid:")), told
    assert subject.kept()["targets"] == before["targets"]


# Delegated roles and target files


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
@pytest.mark.parametrize(("role", "target"), [("team", "team/one.txt"), ("bins", "other/two.txt"), ("bin", "other/two.txt")])
@pytest.mark.parametrize("kind", ["signature", "expired", "rollback", "missing"])
def test_an_attack_on_a_delegated_role_is_refused(
    subject: Subject, repository: Repository, role: str, target: str, kind: str, warm: bool
) -> None:
    if warm:
        assert subject.download(target)[0] == 0
    kept = subject.downloaded()
    named = role
    if role == "bin":
        (named,) = (name for name, one in repository.bin.items() if target in one.targets)
    signed = repository.delegated[named]
    if kind == "expired":
        signed.expires = later(hours=-1)
    repository.add_target(target, b"other")
    repository.update()
    if kind == "signature":
        repository.put(named, signed, stranger())
    elif kind == "rollback":
        signed.version -= 1
        repository.files[f"metadata/{signed.version + 1}.{named}.json"] = repository.signed(named, signed)
    elif kind == "missing":
        del repository.files[f"metadata/{signed.version}.{named}.json"]
    code, told = subject.download(target)
    assert code == 1
    assert told.startswith(f"registry-{kind}:"), told
    assert subject.downloaded() == kept


def test_a_role_cannot_speak_for_paths_that_are_not_its_own(subject: Subject, repository: Repository) -> None:
    repository.team.targets["other/three.txt"] = TargetFile.from_data("other/three.txt", b"x", ["sha256"])
    repository.update()
    assert subject.download("other/three.txt")[0] == 1


def test_the_bins_cannot_speak_for_a_team(subject: Subject, repository: Repository) -> None:
    """The team's role stands first and ends the search: the machine with the keys of the bins lists nothing in its name."""
    for one in repository.bin.values():
        one.targets["team/forged.txt"] = TargetFile.from_data("team/forged.txt", b"x", ["sha256"])
    repository.update()
    assert subject.download("team/forged.txt")[0] == 1


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"owt", "hash"), (b"tw", "hash"), (b"two and more", "length"), (ENDLESS, "length"), (None, "missing")],
    ids=["one byte", "truncated", "longer", "endless", "missing"],
)
def test_a_tampered_file_is_refused(
    subject: Subject, repository: Repository, content: bytes | None, kind: str, warm: bool
) -> None:
    if warm:
        assert subject.download("top.txt")[0] == 0
    kept = subject.downloaded()
    place = repository.place_of("other/two.txt")
    if content is None:
        del repository.files[place]
    else:
        repository.files[place] = content
    code, told = subject.download("other/two.txt")
    assert code == 1
    assert told.startswith(f"registry-{kind}:"), told
    assert subject.downloaded() == kept


@pytest.mark.parametrize("place", ["metadata/timestamp.json", "target"])
def test_a_slow_answer_is_given_up(subject: Subject, repository: Repository, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "PATIENCE", 2)
    repository.content["other/two.txt"] = b"two" * 100
    repository.add_target("other/two.txt", b"two" * 100)
    repository.update()
    repository.files[repository.place_of("other/two.txt") if place == "target" else place] = DRIPPING
    code, told = subject.download("other/two.txt")
    assert code == 1
    assert told.startswith("registry-slow:"), told


def test_names_that_a_url_would_read_otherwise_are_quoted(subject: Subject, repository: Repository) -> None:
    assert subject.download("../metadata/timestamp.json")[0] == 1
    assert not [name for name in repository.asked if ".." in name]


def test_a_client_with_an_unknown_root_trusts_nothing(subject: Subject, repository: Repository, tmp_path: Path) -> None:
    other = Repository()
    (tmp_path / "other.json").write_bytes(other.first_root)
    stranger_to_it = Subject(tmp_path / "second", subject.url)
    assert stranger_to_it("init", str(tmp_path / "other.json"))[0] == 0
    code, told = stranger_to_it("refresh")
    assert code == 1
    assert told.startswith("registry-signature:")


def test_a_root_that_does_not_sign_itself_is_no_beginning(subject: Subject, repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "forged.json").write_bytes(repository.signed("root", repository.root, stranger()))
    client = Subject(tmp_path / "second", subject.url)
    client("init", str(tmp_path / "forged.json"))
    assert client("refresh")[0] == 1
    assert repository.asked == []
