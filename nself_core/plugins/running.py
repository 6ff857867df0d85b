"""How the plugins run: what the service that provides ``plugins`` says of each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_SECONDS = 3


def health(root: Path | None) -> dict[str, dict[str, Any]]:
    """Plugin → ``status``, ``version``, ``since`` and, where it does not serve, ``reason``; empty where nothing runs or answers.

    ``UserError`` for a project that cannot be read.
    """
    import httpx

    from hookspecs.errors import UserError
    from nself_core.workspace import Workspace

    if root is None or not (root / ".nself").is_dir():
        return {}
    workspace = Workspace.open(start=root)
    runtime = workspace.recorded_runtime()
    if runtime is None:
        return {}
    try:
        stack = workspace.stack(runtime)
    except UserError:
        return {}  # `build` and `start` tell what is wrong with it
    service = stack.provider("plugins")
    port = stack.ports.get(service.name, "http") if service else None
    if port is None:
        return {}
    try:
        answer = httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=_SECONDS, trust_env=False)
        found: dict[str, dict[str, Any]] = answer.json()["plugins"]
    except (httpx.HTTPError, ValueError, KeyError):
        return {}
    return found
