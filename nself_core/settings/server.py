"""``server.json`` of an environment: where it is deployed to. Every field may be left out."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hookspecs.errors import UserError
from nself_core.settings.environment import FOLDER

FILE = "server.json"


@dataclass(frozen=True, slots=True)
class Server:
    """The fields of the original's ``server.json``. An empty ``host`` means: not deployed anywhere yet."""

    name: str = ""
    type: str = ""
    host: str = ""
    port: int = 22
    user: str = ""
    key: str = ""
    deploy_path: str = ""
    project_subdir: str = ""
    description: str = ""
    created_at: str = ""

    def comparable(self) -> dict[str, str]:
        """What ``env diff`` compares."""
        return {field: str(getattr(self, field)) for field in ("host", "port", "user", "type")}


def read(root: Path, environment: str) -> Server | None:
    """Read an environment's ``server.json``; ``None`` where there is none. Unknown fields are left alone."""
    label = f"{FOLDER}/{environment}/{FILE}"
    try:
        text = (root / label).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot be read: {error}", where=label, remedy="mend it, or delete it", code="server-json") from error
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        where = f"{label}:{error.lineno}"
        raise UserError(f"this is no JSON: {error.msg}", where=where, remedy="mend that line", code="server-json") from error
    if not isinstance(data, dict):
        raise UserError("this is no JSON object", where=label, remedy='write {"host": "…"}', code="server-json")
    fields: dict[str, Any] = {name: str(data[name]) for name in Server.__slots__ if name != "port" and data.get(name) is not None}
    return Server(port=_port(data.get("port", 22), label), **fields)


def _port(value: object, label: str) -> int:
    text = str(22 if value in {None, ""} else value)
    if not text.isdigit() or not 1 <= int(text) <= 65535:
        raise UserError(f"port {text!r} is no port", where=label, remedy="use a number from 1 to 65535", code="server-json")
    return int(text)


def text(server: Server) -> str:
    """A ``server.json`` to write."""
    return json.dumps({k: v for k, v in asdict(server).items() if v != "" or k == "host"}, indent=2) + "\n"
