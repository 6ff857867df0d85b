"""The release: one signed list of the hashes of nself's own files, among them the embedded registry.

A wheel carries it as ``release.json``, with the public half of the key that signed it in ``_release.py``; both are written by
the build (``scripts/release_backend.py``). A source checkout has neither. The list is read only when code of a built-in
plugin or a file of the embedded registry is about to be used; ``nself version`` and ``nself --help`` never read it.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from nself_core.signed_list import ListError, SignedList

#: The folder that holds ``hookspecs``, ``nself_core`` and ``builtin_plugins``; paths in the list are relative to it.
SITE = Path(__file__).resolve().parent.parent
LIST = "nself_core/release.json"
KEY_MODULE = "nself_core/_release.py"
PACKAGES = ("hookspecs", "nself_core", "builtin_plugins")
#: What a built-in plugin may import beside its own folder.
_MANIFEST = "plugin.json"


def is_release() -> bool:
    """Whether this nself was built as a release (officially or not) and is no source checkout. One look at the disk."""
    return (SITE / KEY_MODULE).is_file()


@lru_cache(maxsize=1)
def signed_list() -> SignedList | None:
    """The release's list, its signature verified once per process; ``None`` in a checkout. ``ListError`` where it is false."""
    if not is_release():
        return None
    from nself_core import _release  # type: ignore[attr-defined,unused-ignore]
    from nself_core.signed_list import read

    return read(SITE / LIST, bytes.fromhex(_release.PUBLIC_KEY))


def public_key() -> bytes | None:
    """The 32 bytes of the release's public key, with which the plugins of the embedded registry are signed too."""
    if not is_release():
        return None
    from nself_core import _release  # type: ignore[attr-defined,unused-ignore]

    return bytes.fromhex(_release.PUBLIC_KEY)


def verify_release(folder: str | Path | None = None) -> dict[str, str]:
    """The hashes of our own files in a folder, after looking that the files there are exactly those of the release.

    ``folder`` is a built-in plugin's; the paths in the answer are relative to it. Without one it is what built-in plugins
    share: the files of ``builtin_plugins`` outside of any plugin's folder, relative to the site folder. ``ListError``
    says what differs, and where this is no release at all.
    """
    release = signed_list()
    if release is None:
        raise ListError("this is a source checkout and no release")
    if folder is None:
        return _verify_shared(release)
    place = Path(folder).resolve()
    wanted = release.below(place.relative_to(SITE).as_posix())
    _compare(wanted, _hashes(place))
    return wanted


def verify_all() -> int:
    """Verify every file of nself, and return how many there are; ``ListError`` where one differs."""
    from nself_core.signed_list import hash_tree

    release = signed_list()
    if release is None:
        raise ListError("this is a source checkout and no release")
    there = hash_tree(SITE, PACKAGES)
    there.pop(LIST, None)
    _compare(dict(release.files), there)
    return len(there)


def embedded_files() -> dict[str, str]:
    """The hashes of the embedded registry's files, relative to its folder; empty in a checkout."""
    release = signed_list()
    return {} if release is None else release.below("builtin_plugins/registry/embedded")


def _verify_shared(release: SignedList) -> dict[str, str]:
    names = [name for name in release.files if name.startswith("builtin_plugins/")]
    owned = tuple(f"{name.removesuffix(_MANIFEST)}" for name in names if name.endswith(f"/{_MANIFEST}"))
    wanted = {name: release.files[name] for name in names if not name.startswith(owned)}
    from nself_core.signed_list import hash_tree

    _compare(wanted, hash_tree(SITE, [name for name in wanted if (SITE / name).is_file()]))
    return wanted


def _hashes(folder: Path) -> dict[str, str]:
    from nself_core.plugins.hashing import hash_files

    try:
        return hash_files(str(folder), compiled=True)
    except (OSError, ValueError) as error:
        raise ListError(f"the files cannot be verified: {error}") from None


def _compare(wanted: dict[str, str], there: dict[str, str]) -> None:
    from nself_core.plugins.signing import difference

    if wanted != there:
        raise ListError(f"its files are not those of the release: {difference(wanted, there)}")
