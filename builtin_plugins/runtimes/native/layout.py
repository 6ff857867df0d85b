"""Where the native runtime keeps things, and the user that services run as.

An ordinary user's project has everything in ``.nself/native/{data,conf,run,logs}``. As root it lies below ``/var/lib/nself``:
PostgreSQL and others must run as another user, who cannot cross a folder such as ``/root``.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from hookspecs import UserError

ROOT_BASE = Path("/var/lib/nself")

#: Users without rights of their own, the first that exists is taken.
UNPRIVILEGED = ("nself", "nobody")

_SOCKET_LIMIT = 90  # sun_path takes 104 bytes on macOS, 108 on Linux; the supervisor binds "<path>.<pid>" first


class User(NamedTuple):
    name: str
    uid: int
    gid: int


@dataclass(frozen=True)
class Layout:
    """The folders of one project. ``state`` is its ``.nself`` folder."""

    root: Path
    state: Path
    project: str

    @cached_property
    def is_root(self) -> bool:
        return os.geteuid() == 0

    @cached_property
    def key(self) -> str:
        """Tells this project from another of the same name."""
        return hashlib.sha256(os.fsencode(self.root.resolve())).hexdigest()[:10]

    @cached_property
    def base(self) -> Path:
        return ROOT_BASE / f"{self.project}-{self.key}" if self.is_root else self.state / "native"

    @property
    def data(self) -> Path:
        return self.base / "data"

    @property
    def run(self) -> Path:
        return self.base / "run"

    @property
    def logs(self) -> Path:
        return self.base / "logs"

    @property
    def specs(self) -> Path:
        """What each process runs with, secrets included: 0700."""
        return self.run / "specs"

    @property
    def rendered(self) -> Path:
        """Where ``nself build`` writes the native configuration."""
        return self.state / "native" / "conf"

    @property
    def conf(self) -> Path:
        """Where services read their configuration: as root a copy that the user they run as can reach."""
        return self.base / "conf"

    @cached_property
    def socket(self) -> Path:
        """The supervisor's socket; a project that lies too deep for one has it in the folder for temporary files."""
        wanted = self.run / "supervisor.sock"
        if len(os.fsencode(wanted)) <= _SOCKET_LIMIT:
            return wanted
        return Path(tempfile.gettempdir()) / f"nself-{os.geteuid()}-{self.key}" / "supervisor.sock"

    @cached_property
    def user(self) -> User | None:
        """Whom services that drop root run as; ``None`` where nself itself has no root to drop."""
        if not self.is_root:
            return None
        for name in UNPRIVILEGED:
            try:
                found = pwd.getpwnam(name)
            except KeyError:
                continue
            return User(name, found.pw_uid, found.pw_gid)
        raise UserError(
            "there is no unprivileged user to run the services as",
            remedy=f"make one: useradd --system --no-create-home {UNPRIVILEGED[0]}",
            code="native-user",
        )

    def make(self) -> None:
        """Make the folders. ``UserError`` where that is not allowed."""
        try:
            self.base.mkdir(parents=True, exist_ok=True)
            for folder, mode in ((self.data, 0o711), (self.run, 0o711), (self.logs, 0o700), (self.specs, 0o700)):
                folder.mkdir(exist_ok=True)
                folder.chmod(mode)
            if self.socket.parent != self.run:
                self._make_socket_folder(self.socket.parent)
        except OSError as error:
            raise UserError(
                f"cannot make the folders of the native runtime: {error.strerror}",
                where=str(error.filename),
                code="native-folder",
            ) from error

    def place(self, of: str, name: str, service: str, instance: int, user: User | None) -> Path:
        """The path of a ``Place`` for one instance; folders of its own are made, owned by the user it runs as."""
        match of:
            case "volume":
                return self._folder(self.data / name, user)
            case "run":
                return self._folder(self.run / instance_key(service, instance), user) / name
            case "config":
                return self.conf / name
            case _:
                return self.root / name

    def copy_configuration(self) -> None:
        """As root, bring the rendered configuration to where the services' user can read it. Only what changed is written."""
        if not self.is_root:
            return
        user = self.user
        wanted = {p.relative_to(self.rendered) for p in self.rendered.rglob("*")} if self.rendered.is_dir() else set()
        known = {p.relative_to(self.conf) for p in self.conf.rglob("*")} if self.conf.is_dir() else set()
        for gone in sorted(known - wanted, reverse=True):
            path = self.conf / gone
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        self.conf.mkdir(exist_ok=True, mode=0o755)
        for name in sorted(wanted):
            self._copy(self.rendered / name, self.conf / name, user)

    def volumes(self) -> list[str]:
        """The data volumes that hold something."""
        if not self.data.is_dir():
            return []
        return sorted(p.name for p in self.data.iterdir() if not p.name.startswith(".") and p.is_dir() and any(p.iterdir()))

    @staticmethod
    def _copy(source: Path, target: Path, user: User | None) -> None:
        if source.is_dir():
            target.mkdir(exist_ok=True, mode=0o755)
            return
        content = source.read_bytes()
        mode = source.stat().st_mode & 0o777
        if target.is_file() and target.read_bytes() == content and target.stat().st_mode & 0o777 == mode:
            return
        handle, staged = tempfile.mkstemp(dir=target.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)
            if user:
                os.fchown(file.fileno(), user.uid, user.gid)
        Path(staged).replace(target)

    @staticmethod
    def _folder(path: Path, user: User | None) -> Path:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)  # services that share a volume are prepared at the same time
        if user and path.stat().st_uid != user.uid:
            os.chown(path, user.uid, user.gid)
        return path

    @staticmethod
    def _make_socket_folder(folder: Path) -> None:
        folder.mkdir(exist_ok=True, mode=0o700)
        found = folder.lstat()
        if found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise UserError(f"{folder} belongs to somebody else", remedy="remove it", code="native-socket")

    def remove(self, *, data: bool) -> list[str]:
        """Remove what was made here, the data only if asked; return what went."""
        gone = []
        for folder in (self.run, self.logs, *((self.conf,) if self.is_root else ()), *((self.data,) if data else ())):
            if folder.exists():
                shutil.rmtree(folder)
                gone.append(str(folder))
        if self.socket.parent != self.run:
            shutil.rmtree(self.socket.parent, ignore_errors=True)
        if self.base.is_dir() and not any(self.base.iterdir()):
            self.base.rmdir()
        return gone


def instance_key(service: str, instance: int) -> str:
    """The name of an instance's process; a service's name has no dot, so this one is free."""
    return service if instance == 1 else f"{service}.{instance}"
