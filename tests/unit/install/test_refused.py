"""Every way a wheel can be false: refused with the reason, and nothing has changed. With a warm index and a cold one."""

from __future__ import annotations

import io
import json
import shutil
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from hookspecs import UserError
from nself_core.plugins.install.unpack import MAX_FILES, UnpackError, unpack
from nself_core.plugins.model import State
from tests.plugin_wheels import package

from .conftest import Room

Files = dict[str, bytes]
P = "nself_plugin_hello"


def one_byte(path: str) -> Callable[[Files], None]:
    def change(files: Files) -> None:
        data = bytearray(files[f"{P}/{path}"])
        data[len(data) // 2] ^= 1
        files[f"{P}/{path}"] = bytes(data)

    return change


def swap_manifest(files: Files) -> None:
    manifest = json.loads(files[f"{P}/plugin.json"])
    files[f"{P}/plugin.json"] = json.dumps({**manifest, "permissions": {"network": ["*"]}}).encode()


def rename(files: Files) -> None:
    files[f"{P}/other.py"] = files.pop(f"{P}/words.py")


def older_signature(files: Files) -> None:
    signature = json.loads(files[f"{P}/signature.json"])
    files[f"{P}/signature.json"] = json.dumps({**signature, "version": "0.9.0"}).encode()


TAMPERED = {
    "one byte of code": (one_byte("__init__.py"), "__init__.py changed"),
    "one byte of data": (one_byte("words.py"), "words.py changed"),
    "one byte of the signature": (one_byte("signature.json"), "cannot be verified|no JSON|refused"),
    "extra file": (lambda files: files.update({f"{P}/extra.py": b""}), "extra.py is new"),
    "extra library": (lambda files: files.update({f"{P}/_speed.cpython-311-x86_64-linux-gnu.so": b""}), "is new"),
    "compiled file": (lambda files: files.update({f"{P}/__pycache__/words.cpython-311.pyc": b""}), "compiled files"),
    "missing file": (lambda files: files.pop(f"{P}/words.py") and None, "words.py is gone"),
    "missing signature": (lambda files: files.pop(f"{P}/signature.json") and None, "nobody has signed it"),
    "missing manifest": (lambda files: files.pop(f"{P}/plugin.json") and None, "holds no nself_plugin_hello/plugin.json"),
    "renamed file": (rename, "other.py is new"),
    "swapped manifest": (swap_manifest, "plugin.json changed|its manifest is not the one"),
    "signature of another version": (older_signature, "it is signed as version '0.9.0'"),
    "another package": (lambda files: files.update({"pydantic/__init__.py": b""}), "brings pydantic"),
    "a module beside": (lambda files: files.update({"sitecustomize.py": b""}), "brings sitecustomize.py"),
    "a data folder": (lambda files: files.update({"x-1.0.data/scripts/ls": b""}), "brings x-1.0.data"),
    "traversal": (lambda files: files.update({f"{P}/../../../escaped.py": b""}), "would land elsewhere"),
    "absolute": (lambda files: files.update({"/escaped.py": b""}), "would land elsewhere"),
    "backslashes": (lambda files: files.update({f"{P}\\..\\..\\escaped.py": b""}), "would land elsewhere"),
    "drive": (lambda files: files.update({"C:escaped.py": b""}), "would land elsewhere"),
    "same name in other letters": (lambda files: files.update({f"{P}/Words.py": b""}), "twice"),
    "bomb": (lambda files: files.update({f"{P}/bomb": bytes(50_000_000)}), "grows more than"),
}


@pytest.mark.parametrize("warm", [True, False], ids=["warm", "cold"])
@pytest.mark.parametrize("case", TAMPERED)
@pytest.mark.parametrize("given", ["from a source", "as a file"])
def test_a_tampered_wheel_is_refused(room: Room, case: str, warm: bool, given: str) -> None:
    change, told = TAMPERED[case]
    room.offer("good")
    room.install("good")
    if case == "missing manifest" and given == "from a source":
        pytest.skip("no source lists a wheel without a manifest")
    made = room.offer("hello", change=change)
    if not warm:
        shutil.rmtree(room.home / "cache", ignore_errors=True)
    before = room.state()
    with pytest.raises(UserError, match=told):
        room.install("hello" if given == "from a source" else str(made))
    assert room.state() == before
    assert room.versions() == {"good": "1.0.0"}
    assert not list(room.home.parent.parent.rglob("escaped.py"))
    assert room.open().find("hello") is None


@pytest.mark.parametrize("warm", [True, False], ids=["warm", "cold"])
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda f: (f / "words.py").write_text('WORD = "evil"\n'), "words.py changed"),
        (lambda f: (f / "extra.py").write_text(""), "extra.py is new"),
        (lambda f: (f / "words.so").write_text(""), "words.so is new"),
        (lambda f: (f / "words.py").unlink(), "words.py is gone"),
        (lambda f: (f / "words.py").rename(f / "word.py"), "word.py is new"),
        (lambda f: (f / "__pycache__").mkdir(), "compiled files"),
        (lambda f: (f / "words.py").unlink() or (f / "words.py").symlink_to("/etc/hostname"), "link to a file"),
        (lambda f: (f / "more").symlink_to("/etc"), "link to a folder"),
        (lambda f: (f / "plugin.json").write_text((f / "plugin.json").read_text() + " "), "plugin.json changed"),
        (lambda f: (f / "signature.json").unlink(), "nobody has signed it"),
        (lambda f: (f / "signature.json").write_text("{}"), "must hold exactly"),
    ],
)
def test_what_is_changed_after_installing_never_loads(room: Room, change: Callable[[Path], None], told: str, warm: bool) -> None:
    room.offer("hello")
    room.install("hello")
    assert room.open().names() == {"hello"}
    change(room.home / "plugins" / "hello")
    if not warm:
        shutil.rmtree(room.home / "cache")
    entry = room.open().find("hello")
    assert entry is not None
    assert not entry.state.runnable
    assert told in entry.reason
    assert room.open().names() == frozenset()
    room.install("hello", force=True)
    entry = room.open().find("hello")
    assert entry is not None
    assert entry.state is State.SIGNED, "installing again mends it"


def test_an_index_that_lies_does_not_speak_for_a_plugin(room: Room) -> None:
    room.offer("hello")
    room.install("hello")
    room.open()
    (compiled,) = (room.home / "cache").glob("plugins-*.json")
    stored = json.loads(compiled.read_text())
    stored["plugins"][0]["manifest"]["permissions"] = {"network": ["*"]}
    compiled.write_text(json.dumps(stored))
    entry = room.open().find("hello")
    assert entry is not None
    assert entry.state is State.MODIFIED
    assert "index" in entry.reason


def test_a_revoked_key_signs_nothing_any_more(room: Room) -> None:
    from nself_core.plugins.revocations import Revocations
    from tests.plugin_wheels import ACME

    room.offer("hello")
    room.install("hello")
    Revocations(room.home).remember(keys={ACME.id: "it was stolen"})
    entry = room.open().find("hello")
    assert entry is not None
    assert entry.state is State.REVOKED
    room.offer("other")
    with pytest.raises(UserError, match="it was stolen"):
        room.install("other")


def test_a_source_that_promises_another_manifest(room: Room) -> None:
    made = room.offer("hello", permissions={"network": ["*"]})
    manifest = json.loads((package(room.project.parent / "plain", "hello") / "plugin.json").read_text())
    room.source.marks[made.name] = {"manifest": manifest}
    with pytest.raises(UserError, match="not the one its source vouches for: permissions"):
        room.install("hello")


def zipped(entries: list[tuple[zipfile.ZipInfo, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for info, data in entries:
            archive.writestr(info, data)
    return buffer.getvalue()


def info(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name)
    made.external_attr = mode << 16
    return made


MANIFEST = (info(f"{P}/plugin.json"), b"{}")


def many() -> bytes:
    return zipped([MANIFEST, *((info(f"{P}/f{number}"), b"") for number in range(MAX_FILES))])


def lying_size() -> bytes:
    """A file that says it is small, in both headers, and is not."""
    made = info(f"{P}/lie")
    made.compress_type = zipfile.ZIP_DEFLATED
    data = bytearray(zipped([MANIFEST, (made, bytes(3_000_000))]))
    real = struct.pack("<I", 3_000_000)
    while real in data:
        place = data.index(real)
        data[place : place + 4] = struct.pack("<I", 100)
    return bytes(data)


def encrypted() -> bytes:
    data = bytearray(zipped([MANIFEST, (info(f"{P}/x"), b"x")]))
    place = data.rindex(b"PK\x01\x02")
    data[place + 8] |= 1
    return bytes(data)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (lambda: zipped([MANIFEST, (info(f"{P}/link", stat.S_IFLNK | 0o777), b"/etc/passwd")]), "holds a link"),
        (lambda: zipped([MANIFEST, (info(f"{P}/pipe", stat.S_IFIFO | 0o644), b"")]), "neither a file nor a folder"),
        (lambda: zipped([MANIFEST, MANIFEST]), "twice"),
        (lambda: zipped([MANIFEST, (info(f"{P}/x"), b""), (info(f"{P}/x/y"), b"")]), "no sound wheel"),
        (many, f"needs more than {MAX_FILES}"),
        (lying_size, "no sound wheel|unpacks to more than it says"),
        (encrypted, "encrypted"),
        (lambda: zipped([]), "must hold one package"),
        (lambda: zipped([MANIFEST])[:-10], "no sound wheel"),
        (lambda: b"not a zip", "no sound wheel"),
        (lambda: b"", "no sound wheel"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_archive_made_to_do_harm(tmp_path: Path, content: Callable[[], bytes], told: str) -> None:
    place = tmp_path / f"{P}-1.0.0-py3-none-any.whl"
    place.write_bytes(content())
    with pytest.raises(UnpackError, match=told):
        unpack(place, tmp_path / "into")


def test_a_wheel_cut_short_anywhere_is_refused(tmp_path: Path) -> None:
    from tests.plugin_wheels import wheel

    data = wheel(tmp_path / "made", "hello").read_bytes()
    for cut in range(0, len(data), max(1, len(data) // 40)):
        place = tmp_path / f"{cut}.whl"
        place.write_bytes(data[:cut])
        with pytest.raises(UnpackError):
            unpack(place, tmp_path / f"into-{cut}")
