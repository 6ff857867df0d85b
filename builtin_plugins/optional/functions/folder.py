"""The ``functions`` folder: its first sample, its check before a start, and its packages natively."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from builtin_plugins.custom.folders import is_empty
from builtin_plugins.optional.functions.service import FOLDER

if TYPE_CHECKING:
    from hookspecs.models.findings import Finding
    from hookspecs.models.plan import File
    from hookspecs.models.project import Project
    from hookspecs.models.runtime import NativeContext

_PACKAGE = {"name": "functions", "version": "0.1.0", "private": True}
#: What npm writes for a package without dependencies; the image refuses a folder without a lock file.
_LOCK = {**_PACKAGE, "lockfileVersion": 3, "requires": True, "packages": {"": {"name": "functions", "version": "0.1.0"}}}
_HELLO = """\
// GET /hello?name=you answers {"message": "Hello, you!"}. Each file here is a route; names that begin with _ are not.
module.exports = (request, response) => {
  response.json({ message: `Hello, ${request.query.name ?? 'world'}!` });
};
"""


def sample(project: Project) -> Iterator[File]:
    """Made once, and only where the folder is missing or empty."""
    from hookspecs.models.plan import File

    if not is_empty(project.root / FOLDER):
        return
    lock = {name: value for name, value in _LOCK.items() if name != "private"}
    for name, content in (
        (".gitignore", "node_modules/\n"),
        ("hello.js", _HELLO),
        ("package.json", json.dumps(_PACKAGE, indent=2) + "\n"),
        ("package-lock.json", json.dumps(lock, indent=2) + "\n"),
    ):
        yield File(path=f"{FOLDER}/{name}", content=content, header="", once=True)


def check(project: Project) -> Iterator[Finding]:
    """What the image would stumble over."""
    from hookspecs.models.findings import Finding, Level

    folder = project.root / FOLDER
    if is_empty(folder):
        message, remedy = "there are no functions: the folder is missing or empty", "nself build lays a sample out"
    elif not any((folder / name).exists() for name in ("package-lock.json", "yarn.lock")):
        message, remedy = "there is no lock file, and the image ends without one", f"npm install --prefix {FOLDER}"
    else:
        return
    yield Finding(level=Level.WARNING, message=message, where=f"{FOLDER}/", remedy=remedy, code="functions-folder")


def prepare(ctx: NativeContext) -> None:
    """The packages that ``functions/package.json`` names; none, and npm is not run at all."""
    from builtin_plugins.custom.prepare import node

    package = ctx.project.root / FOLDER / "package.json"
    if not (ctx.project.root / FOLDER).is_dir():
        from hookspecs.errors import UserError

        raise UserError("there is no functions folder", remedy="nself build lays a sample out", code="functions-folder")
    try:
        named = json.loads(package.read_text(encoding="utf-8")) if package.exists() else {}
    except ValueError as error:
        from hookspecs.errors import UserError

        raise UserError(f"functions/package.json is no JSON: {error}", where=str(package), remedy="mend it") from error
    if named.get("dependencies") or named.get("devDependencies"):
        node(ctx)
