"""From a service to what one process of it runs: command, environment, folder and user, with a hash to tell a change by."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builtin_plugins.runtimes.native import programs
from builtin_plugins.runtimes.native.layout import Layout, User, instance_key
from builtin_plugins.runtimes.native.processes import MARK
from hookspecs import UserError

if TYPE_CHECKING:
    from hookspecs import Native, Resolver, Service

#: What a service's process takes over from the environment nself runs in: the machine's own facts.
_KEPT = (
    "LANG", "LC_ALL", "TZ", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE",
    "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "PIP_CERT", "PIP_INDEX_URL", "NPM_CONFIG_REGISTRY", "GOPROXY",
    "GOFLAGS", "PYTHONPATH", "XDG_CACHE_HOME",
)  # fmt: skip


@dataclass
class Spec:
    """What one process runs. Written 0600 for the launcher; ``env`` and with it secrets are inside."""

    argv: list[str]
    env: dict[str, str]
    cwd: str
    uid: int | None
    gid: int | None
    stop_signal: str
    umask: int = 0o077
    hash: str = ""
    """Of all above as they were before ``prepare``, and of the program's file."""
    config: str = ""
    """Of the rendered configuration it reads."""

    def save(self, path: Path) -> None:
        handle, staged = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(self), file)
        Path(staged).replace(path)

    @classmethod
    def read(cls, path: Path) -> Spec | None:
        """The spec of the last start, ``None`` where there is none that can be read."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None


@dataclass
class Instance:
    """One process of a service."""

    service: Service
    number: int
    layout: Layout
    resolver: Resolver
    notes: list[str] = field(default_factory=list)
    """What the user should know about how it runs."""

    def __post_init__(self) -> None:
        assert self.service.native is not None  # noqa: S101  the runtime sorts out the others
        self.native: Native = self.service.native
        self._read: set[Path] = set()
        self._document: dict[str, Any] = {}
        self._user, self._programs = self._choose_user()

    @property
    def name(self) -> str:
        return instance_key(self.service.name, self.number)

    @property
    def user(self) -> User | None:
        return self._user

    @property
    def spec_path(self) -> Path:
        return self.layout.specs / f"{self.name}.json"

    @property
    def log_path(self) -> Path:
        return self.layout.logs / f"{self.name}.log"

    def place(self, of: str, name: str = "") -> Path:
        path = self.layout.place(of, name, self.service.name, self.number, self._user)
        if of == "config":
            self._read.add(self.layout.conf / Path(name).parts[0] if name else self.layout.conf)
        return path

    def program(self, name: str) -> str:
        try:
            return self._programs[name]
        except KeyError:
            raise UserError(f"{self.service.name} names no program {name!r}", code="native-program") from None

    def spec(self) -> Spec:
        """Resolve everything. ``UserError`` where a value cannot be had."""
        command = [self.text(value) for value in self.native.command]
        argv = [part for part in command if part is not None]
        env = self._environment()
        cwd = self.text(self.native.cwd) if self.native.cwd is not None else None
        home = str(self.place("run"))
        env.setdefault("HOME", home if self._user else os.environ.get("HOME", home))
        spec = Spec(
            argv=argv,
            env=env,
            cwd=cwd or (home if self._user else str(self.layout.root)),
            uid=self._user.uid if self._user else None,
            gid=self._user.gid if self._user else None,
            stop_signal=self.native.stop_signal,
        )
        self._document = asdict(spec)
        self.seal(spec)
        spec.config = _digest(self._read)
        return spec

    def seal(self, spec: Spec) -> None:
        """Set the hash: of the spec as it was resolved, and of the programs as they are now (``prepare`` may unpack them)."""
        document = {**self._document, "programs": {name: _stamp(path) for name, path in self._programs.items()}}
        spec.hash = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        folders = [str(Path(path).parent) for path in self._programs.values()]
        path = os.pathsep.join(dict.fromkeys([*folders, *os.environ.get("PATH", os.defpath).split(os.pathsep)]))
        own = self.resolver.environment(self.service.name, self.number, place=self.place, program=self.program)
        return {"LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1", **kept, "PATH": path, **own, MARK: str(self.layout.base)}

    def text(self, value: Any) -> str | None:
        return self.resolver.value(self.service.name, value, self.number, place=self.place, program=self.program)

    def _choose_user(self) -> tuple[User | None, dict[str, str]]:
        """The user to run as, and the programs as that user reaches them."""
        found = {program.name: programs.find(program) for program in self.native.programs}
        known = {name: path for name, path in found.items() if path is not None}
        user = self.layout.user if self.native.drop_root else None
        if user is None:
            return None, known
        near = {name: programs.within_reach(path, user) for name, path in known.items()}
        far = [known[name] for name, path in near.items() if path is None]
        if far:
            self.notes.append(f"runs as root: {user.name} cannot reach {', '.join(far)}")
            return None, known
        return user, {name: path for name, path in near.items() if path is not None}


def _stamp(path: str) -> list[int]:
    try:
        found = Path(path).stat()
    except OSError:
        return []
    return [found.st_size, found.st_mtime_ns]


def _digest(paths: set[Path]) -> str:
    """A hash over files and folders, names included."""
    total = hashlib.sha256()
    for top in sorted(paths):
        files = sorted(p for p in top.rglob("*") if p.is_file()) if top.is_dir() else [top] if top.is_file() else []
        for file in files:
            total.update(str(file).encode() + b"\0" + file.read_bytes() + b"\0")
    return total.hexdigest()
