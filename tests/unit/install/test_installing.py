"""Installing: what is asked for and what that needs, all or nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hookspecs import UserError
from nself_core.plugins.install.transaction import rollback
from nself_core.plugins.model import State
from tests.plugin_wheels import ACME, MALLORY, package, wheel

from .conftest import Room, Silent


def test_a_plugin_is_installed_enabled_and_signed(room: Room) -> None:
    room.offer("hello")
    outcome = room.install("hello")
    assert outcome.enabled == ["hello"]
    entry = room.open().find("hello")
    assert entry is not None
    assert (entry.state, entry.enabled, entry.reason) == (State.SIGNED, True, "")
    lock = json.loads((room.project / "plugins.lock").read_text())["plugins"]["hello"]
    assert (lock["version"], lock["publisher"], lock["registry"]) == ("1.0.0", "acme", "folder-of-wheels")
    assert lock["hash"] == room.store.active()["hello"].hash
    link = room.home / "plugins" / "hello"
    assert (link / "plugin.json").is_file()
    assert link.resolve().parent == room.home / "store" / "hello"


def test_what_it_depends_on_comes_first_and_along(room: Room) -> None:
    room.offer("jobs", "1.5.0")
    room.offer("jobs", "2.0.0")
    room.offer("mail", depends_on=["jobs>=1,<2"])
    talk = Silent()
    outcome = room.install("mail", talk=talk)
    assert [(step.release.name, step.release.version, step.asked) for step in talk.plans[0].steps] == [
        ("jobs", "1.5.0", False), ("mail", "1.0.0", True),
    ]  # fmt: skip
    assert outcome.enabled == ["jobs", "mail"]
    assert set(talk.bytes) == {"jobs", "mail"}
    assert room.open().names() == {"jobs", "mail"}


def test_outside_a_project_nothing_is_enabled(room: Room) -> None:
    room.offer("hello")
    room.install("hello", project=False)
    assert room.versions() == {"hello": "1.0.0"}
    assert not (room.project / "plugins.lock").exists()


def test_other_plugins_are_not_enabled_along(room: Room) -> None:
    room.offer("one")
    room.offer("two")
    room.install("one", project=False)
    room.install("two")
    assert set(json.loads((room.project / "plugins.lock").read_text())["plugins"]) == {"two"}


def test_what_is_here_is_kept_and_not_fetched_again(room: Room) -> None:
    room.offer("hello")
    room.install("hello", project=False)
    room.offer("hello", "2.0.0")
    outcome = room.install("hello")
    assert outcome.done == []
    assert outcome.enabled == ["hello"]
    assert room.versions() == {"hello": "1.0.0"}
    assert room.source.downloads == ["nself_plugin_hello-1.0.0-py3-none-any.whl"]
    room.install("hello", renew=True)
    assert room.versions() == {"hello": "2.0.0"}


def test_no_set_of_versions_names_who_wants_what(room: Room) -> None:
    room.offer("jobs", "1.0.0")
    room.offer("old", depends_on=["jobs<1"])
    before = room.state()
    with pytest.raises(UserError, match=r"no version of jobs will do: acme/old 1.0.0 needs jobs<1"):
        room.install("old")
    with pytest.raises(UserError, match=r"no plugin 'nowhere' in any registry, which acme/needy 1.0.0 needs"):
        room.offer("needy", depends_on=["nowhere"])
        room.install("needy")
    assert room.state() == before


def test_an_installed_plugin_keeps_its_needs_met(room: Room) -> None:
    room.offer("jobs", "1.0.0")
    room.offer("mail", depends_on=["jobs<2"])
    room.install("mail")
    room.offer("jobs", "2.0.0")
    with pytest.raises(UserError, match=r"acme/mail 1.0.0 needs jobs<2"):
        room.install("jobs==2.0.0")
    assert room.versions()["jobs"] == "1.0.0"
    room.install("jobs", renew=True)
    assert room.versions()["jobs"] == "1.0.0"


def test_a_circle_is_refused(room: Room) -> None:
    room.offer("one", depends_on=["two"])
    room.offer("two", depends_on=["one"])
    with pytest.raises(UserError, match="in a circle: one, two"):
        room.install("one")
    assert room.versions() == {}


def test_a_strangers_plugin_is_refused_until_trusted(room: Room) -> None:
    room.offer("hello", key=MALLORY)
    before = room.state()
    with pytest.raises(UserError, match="which you do not trust") as caught:
        room.install("hello")
    assert "nself plugin trust add mallory" in caught.value.remedy
    with pytest.raises(UserError, match="which you do not trust"):
        room.install("hello", unsigned=True)
    assert room.state() == before


def test_an_unsigned_wheel_needs_the_users_word(room: Room, tmp_path: Path) -> None:
    path = wheel(tmp_path / "given", "loose", key=None)
    with pytest.raises(UserError, match="nobody has signed it") as caught:
        room.install(str(path))
    assert "--allow-unsigned" in caught.value.remedy
    room.install(str(path), unsigned=True)
    entry = room.open().find("loose")
    assert entry is not None
    assert (entry.state, entry.usable) == (State.ALLOWED, True)
    (room.home / "plugins" / "loose" / "words.py").write_text("WORD = 'changed'")
    entry = room.open().find("loose")
    assert entry is not None
    assert entry.state is State.MODIFIED


def test_a_folder_is_linked_and_shown_as_development(room: Room, tmp_path: Path) -> None:
    folder = package(tmp_path / "tree", "mine", key=None)
    room.install(str(folder.parent))
    entry = room.open().find("mine")
    assert entry is not None
    assert (entry.state, entry.usable, entry.path) == (State.DEVELOPMENT, True, str(folder))


def test_permissions_declined_change_nothing(room: Room) -> None:
    room.offer("hello", permissions={"network": ["api.example.com"]})
    before = room.state()
    talk = Silent(yes=False)
    with pytest.raises(UserError, match="nothing was installed"):
        room.install("hello", talk=talk)
    assert talk.plans[0].steps[0].permissions == {"network": ["api.example.com"]}
    assert room.state() == before


def test_what_its_services_take_is_shown_and_asked_for_too(room: Room) -> None:
    """A manifest alone, without code, can have the machine's files mounted and others' secrets handed over."""
    role = {"kind": "secret", "name": "NSELF_MASTER_SECRET", "derive": "database role np_hello"}
    service = {
        "name": "hello",
        "image": {"ref": "example.org/hello:1"},
        "env": {
            "OWN": {"kind": "secret", "name": "HELLO_KEY"},
            "URL": {"kind": "join", "parts": ["x://", role, "@", {"kind": "get", "capability": "sql", "attribute": "host"}]},
            "OTHER": {"kind": "join", "parts": ["x", {"kind": "secret", "name": "POSTGRES_PASSWORD"}]},
        },
        "mounts": [
            {"kind": "bind", "source": "/etc", "target": "/host", "read_only": True, "reason": "to look"},
            {"kind": "bind", "source": ".", "target": "/project"},
            {"kind": "volume", "source": "hello_data", "target": "/data"},
        ],
        "security": {"cap_add": ["NET_ADMIN"], "no_new_privileges": False},
    }
    setting = {"name": "HELLO_KEY", "secret": True, "help": "Its own."}
    taken = {
        "the stack's": ["sql.host"],
        "secrets": ["POSTGRES_PASSWORD"],
        "folders of this machine": ["/etc", ".:write"],
        "privileges": ["NET_ADMIN", "those that the image takes"],
    }
    room.offer("hello", settings=[setting], services=[service])
    before, talk = room.state(), Silent(yes=False)
    with pytest.raises(UserError, match="nothing was installed"):
        room.install("hello", talk=talk)
    assert talk.plans[0].steps[0].permissions == taken
    assert room.state() == before
    room.install("hello")
    wider = {**service, "native": {"command": [{"kind": "program", "name": "sh"}, "-c", "true"], "programs": [{"name": "sh"}]}}
    room.offer("hello", "1.1.0", settings=[setting], services=[wider])
    with pytest.raises(UserError, match="nothing was installed"):
        room.install("hello", talk=talk, renew=True)
    assert talk.plans[1].steps[0].permissions == {"this machine": ["as a process of yours where there are no containers"]}


def test_an_update_asks_for_what_is_wider_alone(room: Room) -> None:
    room.offer("hello", permissions={"network": ["a.example.com"]})
    room.install("hello")
    room.offer("hello", "1.1.0", permissions={"network": ["a.example.com", "b.example.com"], "database": ["users"]})
    talk = Silent()
    room.install("hello", talk=talk, renew=True)
    assert talk.plans[0].steps[0].permissions == {"network": ["b.example.com"], "database": ["users"]}


def test_the_lock_gives_another_home_the_same_files(room: Room, tmp_path: Path) -> None:
    room.offer("hello")
    room.install("hello")
    room.offer("hello", "2.0.0")
    locked = (room.project / "plugins.lock").read_bytes()
    from nself_core.plugins.publishers import Publishers

    other = Room(tmp_path / "other" / ".nself", room.project, room.source.folder)
    Publishers(other.home).add("acme", ACME.public)
    other.install()
    assert other.versions() == {"hello": "1.0.0"}
    assert (room.project / "plugins.lock").read_bytes() == locked
    third = Room(tmp_path / "third" / ".nself", room.project, room.source.folder)
    Publishers(third.home).add("acme", ACME.public)
    lock = json.loads(locked)
    lock["plugins"]["hello"]["hash"] = "sha256:" + "0" * 64
    (room.project / "plugins.lock").write_text(json.dumps(lock))
    with pytest.raises(UserError, match=r"not those that plugins.lock was written for"):
        third.install()


@pytest.mark.parametrize(
    ("registry", "told", "remedy"),
    [
        ("theirs", "from the registry theirs", "nself registry connect theirs URL"),
        ("wheel", "from a wheel", "FILE.whl, with that of hello 1.0.0"),
        ("pypi", "from the package index", "pypi:nself-plugin-hello==1.0.0"),
    ],
)
def test_what_the_lock_has_and_no_registry_here_is_told_with_where_it_came_from(
    room: Room, registry: str, told: str, remedy: str
) -> None:
    pin = {"enabled": True, "hash": "", "publisher": "acme", "registry": registry, "version": "1.0.0"}
    (room.project / "plugins.lock").write_text(json.dumps({"format": 1, "plugins": {"hello": pin}}))
    with pytest.raises(UserError, match=told) as refused:
        room.install()
    assert remedy in refused.value.remedy
    assert room.versions() == {}


def test_back_to_the_version_before(room: Room) -> None:
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        room.offer("hello", version)
        room.install("hello", renew=version != "1.0.0")
    assert room.versions() == {"hello": "1.2.0"}
    rollback(room.home, room.project, "hello", None, Silent())
    assert room.versions() == {"hello": "1.1.0"}
    rollback(room.home, room.project, "hello", None, Silent())
    assert room.versions() == {"hello": "1.0.0"}
    with pytest.raises(UserError, match="no earlier version"):
        rollback(room.home, room.project, "hello", None, Silent())
    rollback(room.home, room.project, "hello", "1.2.0", Silent())
    lock = json.loads((room.project / "plugins.lock").read_text())["plugins"]["hello"]
    assert (room.versions()["hello"], lock["version"]) == ("1.2.0", "1.2.0")


def test_old_versions_do_not_pile_up(room: Room) -> None:
    for minor in range(6):
        room.offer("hello", f"1.{minor}.0")
        room.install("hello", renew=True) if minor else room.install("hello")
    assert [one.version for one in room.store.versions("hello")] == ["1.5.0", "1.4.0", "1.3.0"]


def test_a_name_of_two_publishers_is_ambiguous(room: Room) -> None:
    from nself_core.plugins.publishers import Publishers

    Publishers(room.home).add("mallory", MALLORY.public)
    room.offer("hello", "1.0.0")
    room.offer("hello", "1.0.1", key=MALLORY)
    with pytest.raises(UserError, match="hello is ambiguous") as caught:
        room.install("hello")
    assert caught.value.remedy == "write acme/hello or mallory/hello"
    room.install("acme/hello")
    assert room.versions() == {"hello": "1.0.0"}
    with pytest.raises(UserError, match=r"acme/hello 1.0.0 is installed under the same name"):
        room.install("mallory/hello")
    room.install("hello", renew=True)
    assert room.versions() == {"hello": "1.0.0"}, "an update stays with the publisher"


@pytest.mark.parametrize(("name", "told"), [("core-evil", "nself's own"), ("build", "is a command of nself")])
def test_names_that_pass_for_something_else(room: Room, name: str, told: str) -> None:
    room.offer(name)
    with pytest.raises(UserError, match=told):
        room.install(name)


def test_what_was_revoked_is_remembered_and_never_loads(room: Room) -> None:
    room.offer("hello")
    room.install("hello")
    room.source.marks["nself_plugin_hello-1.0.0-py3-none-any.whl"] = {"revoked": "it phones home"}
    with pytest.raises(UserError, match="was revoked: it phones home"):
        room.install("hello==1.0.0", force=True)
    entry = room.open().find("hello")
    assert entry is not None
    assert (entry.state, entry.usable) == (State.REVOKED, False)
    assert "it phones home" in entry.reason
    room.source.marks.clear()  # a registry that forgets it lifts nothing
    with pytest.raises(UserError, match="it phones home"):
        room.install("hello==1.0.0", force=True)
    room.offer("hello", "1.0.1")
    room.install("hello", renew=True)
    entry = room.open().find("hello")
    assert entry is not None
    assert (entry.version, entry.state) == ("1.0.1", State.SIGNED)


def test_what_was_withdrawn_is_installed_by_exact_version_alone(room: Room) -> None:
    room.offer("hello", "1.0.0")
    room.offer("hello", "1.1.0")
    room.source.marks["nself_plugin_hello-1.1.0-py3-none-any.whl"] = {"yanked": True}
    room.install("hello")
    assert room.versions() == {"hello": "1.0.0"}
    room.install("hello==1.1.0")
    assert room.versions() == {"hello": "1.1.0"}


def test_a_pinned_version_stays(room: Room) -> None:
    from nself_core.plugins.pins import pin

    room.offer("jobs", "1.0.0")
    room.install("jobs")
    pin(room.home, "jobs", "1.0.0")
    room.offer("jobs", "2.0.0")
    room.offer("mail", depends_on=["jobs>=2"])
    with pytest.raises(UserError, match=r"jobs is pinned to 1.0.0"):
        room.install("jobs", renew=True)
    with pytest.raises(UserError, match=r"no version of jobs will do"):
        room.install("mail")
    assert room.versions() == {"jobs": "1.0.0"}


def test_too_new_for_this_nself(room: Room) -> None:
    room.offer("hello", min_nself="99.0")
    room.offer("past", max_nself="0.0.1")
    with pytest.raises(UserError, match="no version of hello will do") as caught:
        room.install("hello")
    assert "it needs nself 99.0" in caught.value.message
    with pytest.raises(UserError) as caught:
        room.install("past")
    assert "it works with nself before 0.0.1" in caught.value.message
