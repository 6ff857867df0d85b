"""The first content of a service's folder: the template's files, made once and then the user's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from builtin_plugins.custom.slots import Slot, read_slots

if TYPE_CHECKING:
    from hookspecs.models.plan import File
    from hookspecs.models.project import Project

TEMPLATES = Path(__file__).parent / "templates"
#: Files of the package end in this, so that none of them is taken for code of ours; ``dot.`` stands for a leading dot.
SUFFIX = ".j2"
#: How files end that a writer had staged when it was killed.
UNFINISHED = ".new"


def scaffolds(project: Project) -> Iterator[File]:
    """The files of every service that has nothing yet, or that a build which was interrupted laid out in part."""
    for slot in read_slots(project):
        if slot.source.own_image and (slot.source.scaffold or _interrupted(project, slot)):
            yield from files_of(slot, project.name)


def _interrupted(project: Project, slot: Slot) -> bool:
    """Whether the folder holds nothing but some of the template's own files, unchanged, and lacks others."""
    folder = project.root / slot.source.context
    names = {file_name(source.relative_to(TEMPLATES / slot.template.name)) for source in _sources(slot.template.name)}
    found = set()
    for path in folder.rglob("*"):
        if path.is_file() and not path.name.endswith(UNFINISHED):
            found.add(path.relative_to(folder).as_posix())
            if not found <= names:
                return False
    if found == names:
        return False
    wanted = {file.path: str(file.content) for file in files_of(slot, project.name)}
    return all((folder / name).read_bytes() == wanted[f"{slot.source.context}/{name}"].encode() for name in found)


def _sources(template: str) -> list[Path]:
    return sorted((TEMPLATES / template).rglob(f"*{SUFFIX}"))


def files_of(slot: Slot, project_name: str) -> Iterator[File]:
    """The files of a slot's template, in the order of their paths."""
    from hookspecs.models.plan import File
    from hookspecs.templating import render

    root = TEMPLATES / slot.template.name
    for source in _sources(slot.template.name):
        inside = source.relative_to(root)
        content = render(
            "builtin_plugins.custom",
            f"{slot.template.name}/{inside.as_posix()}",
            name=slot.name,
            label=slot.label,
            port=slot.port,
            number=slot.number,
            project=project_name,
        )
        yield File(path=f"{slot.source.context}/{file_name(inside)}", content=content, header="", once=True)


def file_name(inside: Path) -> str:
    """The path a template's file gets: ``src/dot.env.j2`` is ``src/.env``."""
    name = inside.name.removesuffix(SUFFIX)
    return inside.with_name(f".{name[4:]}" if name.startswith("dot.") else name).as_posix()
