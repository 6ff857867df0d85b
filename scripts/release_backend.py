"""The build backend: setuptools, and for a wheel the compiled templates, the embedded registry and the signed list of every file.

``python -m build`` and ``pip wheel .`` call it (PEP 517). The release key is the file that ``NSELF_RELEASE_KEY`` names (ed25519,
PKCS #8 in PEM). Without one a key is made for this build alone and thrown away; the program then says that it is an unofficial
build. Two builds of one tree with one key give the same bytes. An editable install carries neither: it is a checkout.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import (
    build_editable,
    build_sdist,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

ROOT = Path(__file__).resolve().parent.parent
KEY_VARIABLE = "NSELF_RELEASE_KEY"


def build_wheel(wheel_directory: str, config_settings: Any = None, metadata_directory: str | None = None) -> str:
    """See PEP 517. The wheel of setuptools, completed and packed again."""
    sys.path.insert(0, str(ROOT))
    with TemporaryDirectory(prefix="nself-release-") as scratch, _fresh_build_folder(Path(scratch)):
        made = Path(scratch) / build_meta.build_wheel(scratch, config_settings, metadata_directory)
        tree = Path(scratch) / "tree"
        with zipfile.ZipFile(made) as archive:
            archive.extractall(tree)
        complete(tree)
        _pack(tree, made)
        shutil.copyfile(made, Path(wheel_directory) / made.name)
        return made.name


def complete(tree: Path) -> None:
    """Add the compiled templates, the embedded registry, the key's public half and the signed list to an unpacked wheel."""
    from hookspecs.templating import compile_below
    from nself_core import release
    from nself_core.plugins.sources.building import build
    from nself_core.plugins.sources.embedded import FOLDER
    from nself_core.signed_list import hash_tree, write

    compile_below(tree / "builtin_plugins")
    key, official = release_key()
    shutil.rmtree(tree / FOLDER, ignore_errors=True)
    build(ROOT / "registry", tree / FOLDER, key)
    shutil.copytree(ROOT / "plugin_template", tree / "builtin_plugins" / "plugin_template", dirs_exist_ok=True)
    lines = ['"""Made by the build: whose signature covers this release."""', "", f'PUBLIC_KEY = "{key.public.hex()}"']
    (tree / release.KEY_MODULE).write_text("\n".join([*lines, f"OFFICIAL = {official}", ""]), encoding="utf-8")
    (tree / release.LIST).unlink(missing_ok=True)
    write(tree / release.LIST, hash_tree(tree, release.PACKAGES), key, official=official)


def release_key() -> tuple[Any, bool]:
    """The key to sign with, and whether it is the project's own."""
    from nself_core.plugins.keys import parse_public, read_pem
    from nself_core.plugins.publishers import OURS
    from nself_core.plugins.signing import SigningKey

    named = os.environ.get(KEY_VARIABLE, "")
    if not named:
        return SigningKey(OURS, secrets.token_bytes(32)), False
    key = SigningKey(OURS, read_pem(Path(named)))
    known = ROOT / "registry" / "keys" / "release.pub"
    if known.exists() and parse_public(known.read_text(encoding="utf-8")) != key.public:
        raise SystemExit(f"{KEY_VARIABLE}: {named} is not the key whose public half is {known}")
    return key, True


@contextmanager
def _fresh_build_folder(scratch: Path) -> Iterator[None]:
    """Build outside the source tree: what an earlier build left there is in no release."""
    before = os.environ.get("DIST_EXTRA_CONFIG")
    (scratch / "setup.cfg").write_text(f"[build]\nbuild_base = {scratch / 'build'}\n", encoding="utf-8")
    os.environ["DIST_EXTRA_CONFIG"] = str(scratch / "setup.cfg")
    try:
        yield
    finally:
        os.environ.pop("DIST_EXTRA_CONFIG")
        if before is not None:
            os.environ["DIST_EXTRA_CONFIG"] = before


def _pack(tree: Path, wheel: Path) -> None:
    from nself_core.plugins.packing import write_wheel

    files = {place.relative_to(tree).as_posix(): place.read_bytes() for place in sorted(tree.rglob("*")) if place.is_file()}
    (record,) = [name for name in files if name.endswith(".dist-info/RECORD")]
    del files[record]
    write_wheel(wheel, files, record)
