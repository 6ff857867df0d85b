"""Rendering ``plugin_template/`` into a new plugin."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from hookspecs.errors import UserError
from nself_core.plugins.discovery import OUR_FOLDER
from nself_core.plugins.keys import check_publisher
from nself_core.plugins.manifest import OUR_PREFIX, is_name

_SUFFIX = ".j2"
_PLACE = "package"


def template_folder() -> Path:
    """Where the template lies: beside the packages in a checkout, in a wheel among the built-in plugins."""
    inside = Path(OUR_FOLDER) / "plugin_template"
    return inside if inside.is_dir() else Path(OUR_FOLDER).parent / "plugin_template"


def render(name: str, kind: str, *, publisher: str, summary: str, into: Path) -> list[str]:
    """Write the plugin and return its files, sorted. All or nothing: ``into`` must not be there, or be empty."""
    if not is_name(name) or name.startswith(OUR_PREFIX):
        raise UserError(
            f"{name!r} is no name for a plugin",
            remedy=f"lower-case words joined by hyphens, at most 60 characters, not beginning with {OUR_PREFIX}",
            exit_code=2,
        )
    check_publisher(publisher)
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise UserError("there is something already", where=str(into), remedy="name another folder with --into", code="not-empty")
    package = f"nself_plugin_{name.replace('-', '_')}"
    title = name.replace("-", " ").capitalize()
    values = {
        "name": name,
        "package": package,
        "prefix": f"np_{name.replace('-', '_')}",
        "setting": name.replace("-", "_").upper(),
        "publisher": publisher,
        "title": title,
        "summary": summary or f"{title}: a plugin of nself.",
        "kind": kind,
        "folder": into.name,
    }
    source = template_folder()
    files = {**_files(source / "common"), **_files(source / kind)}
    try:
        into.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{into.name}.", dir=into.parent))
    except OSError as error:
        raise UserError(f"cannot write here: {error.strerror}", where=str(into.parent), code="read-only") from None
    try:
        written = [_write(path, staging / _named(relative, package), values) for relative, path in files.items()]
        staging.chmod(0o755)
        if into.exists():
            into.rmdir()
        os.replace(staging, into)  # noqa: PTH105
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    return sorted(str(path.relative_to(staging)) for path in written)


def _files(folder: Path) -> dict[str, Path]:
    return {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}


def _named(relative: str, package: str) -> str:
    parts = Path(relative.removesuffix(_SUFFIX)).parts
    return str(Path(*(package if part == _PLACE else ".gitignore" if part == "gitignore" else part for part in parts)))


def _write(source: Path, target: Path, values: dict[str, str]) -> Path:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)  # noqa: S701  no HTML
    text = source.read_text(encoding="utf-8")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(environment.from_string(text).render(values) if source.suffix == _SUFFIX else text, encoding="utf-8")
    return target
