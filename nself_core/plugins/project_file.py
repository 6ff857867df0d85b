"""``nselffile.py`` in a project's folder: hooks of that project alone, without a package.

It is a plugin named ``nselffile`` that needs no entry in ``plugins.lock``: that it lies there enables it. Its code runs once its
user has allowed this file, in this folder, on this machine, byte for byte; a repository cannot permit itself anything. It is one
file: nothing beside it can be imported, as nobody allowed that. Which hooks it has is read from its syntax, so that no code of
it runs before it is judged.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from nself_core.plugins.model import Found

if TYPE_CHECKING:
    import ast

    from nself_core.plugins.hashing import Files
    from nself_core.plugins.trust import Verdict

NAME = "nselffile"
FILE = f"{NAME}.py"
#: Hooks that run where the command line does. The others need what only a package has: a manifest, or code for the Host to load.
HOOKS = ("contribute_services", "render_config", "pre_deploy")
_MANIFEST = {"name": NAME, "version": "0.0.0", "summary": f"The project's own hooks, in {FILE}."}


def find(root: Path | None) -> tuple[Found, ...]:
    """The project's file, where it has one."""
    place = os.path.join(root, FILE) if root else ""  # noqa: PTH118
    if not root or not os.path.lexists(place):
        return ()
    hooks: list[str] = []
    try:
        hooks, problem = _hooks(read(str(root)))
    except (OSError, ValueError) as error:
        problem = f"{FILE} cannot be read: {getattr(error, 'strerror', None) or error}"
    return (Found(NAME, "project", NAME, str(root), "", {**_MANIFEST, "hooks": hooks}, problem),)


def read(root: str) -> bytes:
    """The bytes of the file; ``OSError`` or ``ValueError`` where it is no ordinary file."""
    from nself_core.plugins.hashing import read_file

    place = os.path.join(root, FILE)  # noqa: PTH118
    if os.path.islink(place) or not os.path.isfile(place):  # noqa: PTH113, PTH114
        raise ValueError("it is no ordinary file")
    return read_file(place)


def files(root: str) -> Files:
    """What is allowed, and looked at again before each import: the file's hash."""
    from hashlib import sha256

    return {FILE: sha256(read(root)).hexdigest()}


def load(found: Found, verdict: Verdict) -> ModuleType:
    """Run the very bytes that were allowed, as a module named ``nselffile``."""
    from nself_core.plugins.loading import compile_code, verified_bytes

    place = os.path.join(found.folder, FILE)  # noqa: PTH118
    code = compile_code(place, verified_bytes(place, FILE, verdict.files))
    module = ModuleType(NAME)
    module.__file__ = place
    sys.modules[NAME] = module  # data classes and the like look their module up
    try:
        exec(code, module.__dict__)  # noqa: S102  what its user allowed
    except BaseException:
        sys.modules.pop(NAME, None)
        raise
    return module


def _hooks(data: bytes) -> tuple[list[str], str]:
    """The functions marked as hooks, and what is wrong with them."""
    import ast

    from hookspecs.specs import HOOKS as ALL

    try:
        tree = ast.parse(data, FILE)
    except SyntaxError as error:
        return [], f"{FILE}, line {error.lineno or '?'}: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return [], f"{FILE} is no Python: {error}"
    marked = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _is_hook(node)]
    for node in marked:
        where = f"{FILE}, line {node.lineno}"
        if node.name not in ALL:
            return [], f"{where}: there is no hook {node.name!r}; {FILE} may have {', '.join(HOOKS)}"
        if node.name not in HOOKS:
            return (
                [],
                f"{where}: {node.name} needs a plugin with a manifest (nself plugin new); {FILE} may have {', '.join(HOOKS)}",
            )
    if not marked:
        return [], f"{FILE} has no hook: a function under `@hookimpl`, one of {', '.join(HOOKS)}"
    return [node.name for node in marked], ""


def _is_hook(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    import ast

    for decorator in node.decorator_list:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        if (called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")) == "hookimpl":
            return True
    return False
