"""Whether a build has anything to do, decided from what stands on disk and nothing heavier than ``json``.

The stamp of the last build holds the state of everything it read (files of the cascade, plugin index, globs that plugins
declare under ``reads``, the process variables that count) and of everything it wrote. Any difference means: build.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hookspecs.patterns import match_pattern
from nself_core import __version__
from nself_core.plugins.project_file import FILE as PROJECT_FILE
from nself_core.settings.cascade import labels
from nself_core.settings.declared import AMBIENT
from nself_core.settings.environment import ABOUT, FOLDER

if TYPE_CHECKING:
    from nself_core.render.record import Record
    from nself_core.settings import LoadedSettings
    from nself_core.workspace import Workspace

#: State files of the project that a build reads.
STATE_INPUTS = ("ports.json", "environment.json")


def signature(path: Path) -> list[int] | None:
    """Modification time in nanoseconds, size and mode of a file or folder, ``None`` where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return [found.st_mtime_ns, found.st_size, found.st_mode]


def take_stamp(workspace: Workspace, record: Record, *, asked: str | None = None) -> dict[str, Any]:
    """The stamp of a build just done. ``asked`` is the environment that ``--env`` named."""
    root, state = workspace.root, workspace.state
    sources = [root / label for label, _ in labels(workspace.environment.name)]
    names = sorted(_process_names(workspace.loaded, sources))
    about = root / FOLDER / workspace.environment.name / ABOUT
    inputs = [*sources, about, root / "plugins.lock", root / PROJECT_FILE, *(state / name for name in STATE_INPUTS)]
    reads = sorted({glob for manifest in workspace.plugins.manifests() for glob in manifest.get("reads", ())})
    return {
        "version": [__version__, sys.version],
        # a copy of a project is another one: what is read is named by its full path, and so is what is rendered
        "root": str(root),
        "asked": asked,
        "plugins": workspace.plugins.fingerprint,
        "inputs": {str(path): signature(path) for path in inputs},
        "reads": {glob: _matches(root, glob) for glob in reads},
        "environ": {"names": names, "digest": environ_digest(os.environ, names)},
        "outputs": {path: signature(root / path) for path in [*record.files, *record.once]},
    }


def _process_names(loaded: LoadedSettings, sources: Iterable[Path]) -> set[str]:
    """The process variables that count: declared ones (names with braces too), and whatever the files refer to."""
    text = "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in sources if path.is_file())
    referred = set(re.findall(r"\$\{([A-Za-z_][A-Za-z0-9_]*)", text))
    return {*loaded.declarations.from_process(), *referred} - AMBIENT | {"NSELF_ENV"}


def unchanged(root: Path, stamp: Mapping[str, Any], *, asked: str | None, fingerprint: str, environ: Mapping[str, str]) -> bool:
    """Whether nothing that the stamp names has changed."""
    if stamp.get("version") != [__version__, sys.version] or stamp.get("root") != str(root):
        return False
    if stamp.get("asked") != asked or stamp.get("plugins") != fingerprint:
        return False
    known = stamp["environ"]
    if environ_digest(environ, known["names"]) != known["digest"]:
        return False
    if any(signature(Path(path)) != seen for path, seen in stamp["inputs"].items()):
        return False
    if any(signature(root / path) != seen for path, seen in stamp["outputs"].items()):
        return False
    return all(_matches(root, glob) == seen for glob, seen in stamp["reads"].items())


def environ_digest(environ: Mapping[str, str], names: Iterable[str]) -> str:
    """A hash of the process variables of these names, some of them with braces."""
    wanted = set(names)
    patterns = [name for name in wanted if "{" in name]
    starts = tuple(pattern.partition("{")[0] for pattern in patterns)
    kept = {
        name: value
        for name, value in environ.items()
        if name in wanted or (name.startswith(starts) and any(match_pattern(pattern, name) for pattern in patterns))
    }
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def _matches(root: Path, glob: str) -> dict[str, list[int] | None]:
    return {str(path.relative_to(root)): signature(path) for path in sorted(root.glob(glob))}
