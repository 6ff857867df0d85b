"""Import a plugin by its canonical name, from the very bytes that were verified.

A finder answers for the plugin's own package and nothing else, so no folder is put on ``sys.path``. Its loader compiles
source it has just hashed; compiled files in ``__pycache__`` are never read, and a module that is not among the verified
files does not exist.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder, SourceLoader
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from importlib.util import module_from_spec, spec_from_file_location
from threading import Lock
from types import CodeType, ModuleType

from nself_core.plugins.hashing import Files
from nself_core.plugins.model import Found
from nself_core.plugins.trust import Verdict

#: Held while the list of finders changes: the Host loads plugins in threads. Never while a plugin's code runs, which may hang.
_FINDERS = Lock()


def load(found: Found, verdict: Verdict) -> ModuleType:
    """The plugin's package. ``ImportError`` where its state forbids the import; what its own code raises passes through."""
    if not verdict.state.runnable:
        raise ImportError(f"{found.name} is {verdict.state} and is not imported")
    if found.source == "core":
        from nself_core.plugins.ours import ready

        ready(found)
        return import_module(found.module)
    if found.source == "project":
        from nself_core.plugins.project_file import load as load_file

        return load_file(found, verdict)
    finder = VerifyingFinder(found.module, found.folder, verdict.files)
    with _FINDERS:
        if not any(isinstance(one, VerifyingFinder) and one.same_as(finder) for one in sys.meta_path):
            _forget(found.module)  # whatever goes by that name came by other ways, or from other bytes
            sys.meta_path.insert(0, finder)
    return sys.modules.get(found.module) or _execute(finder)


def _execute(finder: VerifyingFinder) -> ModuleType:
    """Run the package by its spec. ``import_module`` would first import the parents of a dotted name, which nobody verified."""
    spec = finder.find_spec(finder.package)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"{finder.package} has no __init__.py", name=finder.package)
    module = sys.modules[finder.package] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        with _FINDERS:
            _forget(finder.package)
        raise
    return module


def _forget(package: str) -> None:
    for name in [name for name in list(sys.modules) if name == package or name.startswith(package + ".")]:
        del sys.modules[name]
    sys.meta_path[:] = [one for one in sys.meta_path if getattr(one, "package", None) != package]


class VerifyingFinder(MetaPathFinder):
    """Finds one plugin's modules in its folder; with ``files`` only those, with the bytes recorded there."""

    def __init__(
        self, package: str, folder: str, files: Files | None, compiler: Callable[[str, bytes], CodeType] | None = None
    ) -> None:
        self.package = package
        self._folder = folder
        self._files = files
        self.compiler = compiler or compile_code
        """Path and verified bytes → code."""

    def same_as(self, other: VerifyingFinder) -> bool:
        """Whether both give the same modules from the same bytes."""
        return (self.package, self._folder, self._files) == (other.package, other._folder, other._files)

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname != self.package and not fullname.startswith(self.package + "."):
            return None
        parts = fullname.removeprefix(self.package).split(".")[1:]
        base = os.path.join(self._folder, *parts)  # noqa: PTH118
        found = self._spec(fullname, base)
        if found is None:
            # Not `None`: another finder would look into the package's folder and import what nobody verified.
            raise ModuleNotFoundError(f"{fullname} is not among the plugin's files", name=fullname)
        return found

    def _spec(self, fullname: str, base: str) -> ModuleSpec | None:
        init = os.path.join(base, "__init__.py")  # noqa: PTH118
        if self._has(init):
            loader = VerifyingLoader(fullname, init, self)
            return spec_from_file_location(fullname, init, loader=loader, submodule_search_locations=[base])
        if self._has(base + ".py"):
            return spec_from_file_location(fullname, base + ".py", loader=VerifyingLoader(fullname, base + ".py", self))
        for suffix in EXTENSION_SUFFIXES:
            if self._has(base + suffix):
                self.read(base + suffix)
                return spec_from_file_location(fullname, base + suffix, loader=ExtensionFileLoader(fullname, base + suffix))
        if os.path.isdir(base):  # noqa: PTH112  a folder without __init__.py; its modules come through here too
            spec = ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = [base]
            return spec
        return None

    def _has(self, path: str) -> bool:
        return os.path.isfile(path) if self._files is None else self._name(path) in self._files  # noqa: PTH113

    def _name(self, path: str) -> str:
        return path.removeprefix(self._folder + os.sep).replace(os.sep, "/")

    def read(self, path: str) -> bytes:
        """The bytes of a file; ``ImportError`` where they are not those that were verified."""
        return verified_bytes(path, self._name(path), self._files)


class VerifyingLoader(SourceLoader):
    """Compiles source from verified bytes. It has no time stamps to offer, so no compiled file is read or written."""

    def __init__(self, name: str, path: str, finder: VerifyingFinder) -> None:
        self.name = name
        self.path = path
        self._finder = finder

    def get_filename(self, fullname: str) -> str:
        return self.path

    def get_data(self, path: str) -> bytes:
        return self._finder.read(path)

    def get_code(self, fullname: str) -> CodeType:
        return self._finder.compiler(self.path, self._finder.read(self.path))


def verified_bytes(path: str, name: str, files: Files | None) -> bytes:
    """The bytes of a file; ``ImportError`` where they are not those recorded in ``files`` under its name."""
    with open(path, "rb") as file:  # noqa: PTH123
        data = file.read()
    if files is not None and files.get(name) != hashlib.sha256(data).hexdigest():
        raise ImportError(f"{name} changed while it was being loaded")
    return data


def compile_code(path: str, data: bytes) -> CodeType:
    """The code of a module's source."""
    code: CodeType = compile(data, path, "exec", dont_inherit=True)
    return code
