"""Getting images before anything starts: all that are missing are tried, and all failures are told at once."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from builtin_plugins.runtimes.compose.engine import Engine
from hookspecs import Finding, Level, Service, UserError

if TYPE_CHECKING:
    from hookspecs.models.runtime import Progress


def pull_missing(engine: Engine, services: Iterable[Service], progress: Progress, *, parallel: int) -> None:
    """Pull every image that is not in the engine yet, each once."""
    wanted: dict[str, Service] = {}
    for service in services:
        if service.image is not None and service.build is None:
            wanted.setdefault(service.image.ref, service)
    missing = {ref: service for ref, service in wanted.items() if not engine.has_image(ref)}
    if not missing:
        return
    with ThreadPoolExecutor(parallel) as pool:
        found = [f for f in pool.map(lambda item: _pull(engine, item[0], item[1], progress), missing.items()) if f is not None]
    if found:
        word = "image" if len(found) == 1 else "images"
        raise UserError(f"{len(found)} {word} could not be had; nothing was started", findings=found, code=found[0].code)


def _pull(engine: Engine, ref: str, service: Service, progress: Progress) -> Finding | None:
    progress(service.name, "pulling", ref)
    repository, tag = _split(ref)
    try:
        last = engine.stream(lambda api: _consume(api.pull(repository, tag=tag, stream=True, decode=True)))
    except UserError as error:
        last = error.message
    if not last:
        progress(service.name, "pulled", ref)
        return None
    variable = f"{service.name.upper().replace('-', '_')}_IMAGE"
    code, what, remedy = _meaning(last, variable)
    return Finding(level=Level.ERROR, message=f"{ref}: {what} ({last[:200]})", where=service.name, remedy=remedy, code=code)


def _consume(stream: Iterable[dict[str, Any]]) -> str:
    """Read a pull to its end; returns its error, empty where it went well."""
    error = ""
    for event in stream:
        error = str(event.get("error") or error)
    return error


def _split(ref: str) -> tuple[str, str | None]:
    if "@" in ref:
        name, _, digest = ref.partition("@")
        return name, digest
    name, colon, tag = ref.rpartition(":")
    return (name, tag) if colon and "/" not in tag else (ref, "latest")


def _meaning(text: str, variable: str) -> tuple[str, str, str]:
    lowered = text.lower()
    if any(word in lowered for word in ("denied", "unauthorized", "authentication required", "no basic auth")):
        return "pull-denied", "the registry refuses it", f"docker login, or another image: {variable}=…"
    if any(word in lowered for word in ("not found", "manifest unknown", "no such image", "does not exist")):
        return "image-missing", "there is no such image", f"another one: {variable}=…"
    if "no space left" in lowered:
        return "disk-full", "the disk is full", "docker system prune, or free space"
    return "pull-failed", "it could not be pulled", f"check the network, `docker pull` it by hand, or set {variable}=…"
