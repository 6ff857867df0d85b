"""A repository in memory, made with python-tuf's metadata API, that can be bent in any way before it is served."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Signed,
    Snapshot,
    SuccinctRoles,
    TargetFile,
    Targets,
    Timestamp,
)

TOP = ("root", "timestamp", "snapshot", "targets")
#: Sent without end.
ENDLESS = b"\0endless"
#: Sent one byte at a time, one each second.
DRIPPING = b"\0dripping"


class Repository:
    """One key per role. ``files`` is what the server answers; ``publish`` fills it from the roles as they are."""

    def __init__(self) -> None:
        self.keys = {role: [CryptoSigner.generate_ed25519()] for role in (*TOP, "team", "bins")}
        self.root = Root(expires=later(), consistent_snapshot=True)
        for role in TOP:
            self.root.add_key(self.keys[role][0].public_key, role)
        self.timestamp = Timestamp(expires=later())
        self.snapshot = Snapshot(expires=later())
        self.targets = Targets(expires=later())
        self.team = Targets(expires=later())
        self.bins = Targets(expires=later())
        self.bin: dict[str, Targets] = {}
        self.content: dict[str, bytes] = {}
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self._delegate()
        self.add_target("top.txt", b"top")
        self.add_target("team/one.txt", b"one")
        self.add_target("other/two.txt", b"two")
        self.publish()
        self.first_root = self.files["metadata/1.root.json"]

    def _delegate(self) -> None:
        team, bins = self.keys["team"][0].public_key, self.keys["bins"][0].public_key
        self.targets.delegations = Delegations(
            {team.keyid: team, bins.keyid: bins},
            {
                "team": DelegatedRole("team", [team.keyid], 1, terminating=True, paths=["team/*"]),
                "bins": DelegatedRole("bins", [bins.keyid], 1, terminating=True, paths=["*/*"]),
            },
        )
        succinct = SuccinctRoles([bins.keyid], 1, 2, "bin")
        self.bins.delegations = Delegations({bins.keyid: bins}, succinct_roles=succinct)
        self.bin = {name: Targets(expires=later()) for name in succinct.get_roles()}

    @property
    def delegated(self) -> dict[str, Targets]:
        return {"team": self.team, "bins": self.bins, **self.bin}

    def add_target(self, path: str, data: bytes) -> None:
        """Put a file in the role that is responsible for its path."""
        role = self.targets
        if path.startswith("team/"):
            role = self.team
        elif "/" in path:
            assert self.bins.delegations is not None and self.bins.delegations.succinct_roles is not None
            role = self.bin[self.bins.delegations.succinct_roles.get_role_for_target(path)]
        role.targets[path] = TargetFile.from_data(path, data, ["sha256"])
        self.content[path] = data

    def update(self) -> None:
        """The next version of everything but root, published."""
        for signed in (self.timestamp, self.snapshot, self.targets, *self.delegated.values()):
            signed.version += 1
        self.publish()

    def publish(self) -> None:
        """Sign all as it is, and put it under the names of its versions."""
        self.snapshot.meta = {f"{name}.json": MetaFile(role.version) for name, role in self._all_targets().items()}
        for name, role in self._all_targets().items():
            self.put(name, role)
        snapshot = self.put("snapshot", self.snapshot)
        digest = {"sha256": hashlib.sha256(snapshot).hexdigest()}
        self.timestamp.snapshot_meta = MetaFile(self.snapshot.version, len(snapshot), digest)
        self.put("timestamp", self.timestamp)
        self.put("root", self.root)
        for path, data in self.content.items():
            self.files[self.place_of(path)] = data

    def _all_targets(self) -> dict[str, Targets]:
        return {"targets": self.targets, **self.delegated}

    def put(self, role: str, signed: Signed, signers: list[CryptoSigner] | None = None) -> bytes:
        """Sign and serve one role's metadata; returns its bytes."""
        data = self.signed(role, signed, signers)
        name = "timestamp.json" if role == "timestamp" else f"{signed.version}.{quote(role, '')}.json"
        self.files[f"metadata/{name}"] = data
        return data

    def signed(self, role: str, signed: Signed, signers: list[CryptoSigner] | None = None) -> bytes:
        """A role's metadata with the signatures of its keys, or of others."""
        metadata = Metadata(signed)
        for signer in self.keys["bins" if role.startswith("bin-") else role] if signers is None else signers:
            metadata.sign(signer, append=True)
        return metadata.to_bytes()

    def next_root(self, signers: list[CryptoSigner] | None = None) -> None:
        """Serve the next version of the root; by default signed by the keys that it, and the one before it, name."""
        self.root.version += 1
        self.put("root", self.root, signers)

    def replace_key(self, role: str) -> CryptoSigner:
        """Another key for a top-level role in the root as it is; returns the old one."""
        old = self.keys[role][0]
        new = CryptoSigner.generate_ed25519()
        self.root.revoke_key(old.public_key.keyid, role)
        self.root.add_key(new.public_key, role)
        self.keys[role] = [new]
        return old

    def place_of(self, path: str) -> str:
        """Under which name a target is served."""
        folder, slash, base = path.rpartition("/")
        return f"targets/{folder}{slash}{hashlib.sha256(self.content[path]).hexdigest()}.{base}"


def later(**ahead: float) -> datetime:
    """When metadata that is good now expires."""
    return (datetime.now(UTC) + timedelta(**(ahead or {"days": 30}))).replace(microsecond=0)


@contextmanager
def served(repository: Repository) -> Iterator[str]:
    """Serve a repository at the URL that is given."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = unquote(self.path.lstrip("/").partition("?")[0]) if "%" not in self.path else self.path.lstrip("/")
            repository.asked.append(name)
            data = repository.files.get(name)
            if data is None:
                self.send_error(404)
                return
            self.send_response(200)
            if data not in (ENDLESS, DRIPPING):
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
                return
            self.end_headers()
            with suppress(OSError):
                for _ in range(200_000 if data == ENDLESS else 300):
                    self.wfile.write(b" " * 65_536 if data == ENDLESS else b" ")
                    if data == DRIPPING:
                        threading.Event().wait(1)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
