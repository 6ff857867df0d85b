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


def scaffolds(project: Project) -> Iterator[File]:
    """The files of every service that has nothing yet."""
    for slot in read_slots(project):
        if slot.source.scaffold and not slot.source.image:
            yield from files_of(slot, project.name)


def files_of(slot: Slot, project_name: str) -> Iterator[File]:
    """The files of a slot's template, in the order of their paths."""
    from hookspecs.models.plan import File
    from hookspecs.templating import render

    root = TEMPLATES / slot.template.name
    for source in sorted(root.rglob(f"*{SUFFIX}")):
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
