"""Where a custom service's source or image comes from. Nothing is written here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from builtin_plugins.custom.grammar import dns_label

if TYPE_CHECKING:
    from builtin_plugins.custom.faults import Faults
    from hookspecs.models.project import Project

#: Folder of the project that holds the scaffolded services.
SERVICES = "services"
_STAGE = re.compile(r"^\s*FROM\s+.*\s+AS\s+(\S+)\s*$", re.IGNORECASE | re.MULTILINE)
_FILES_OF_NOBODY = {".DS_Store", ".gitkeep"}


class Source(NamedTuple):
    """What the service is made from: a ready ``image``, or a build ``context`` below the project's root.

    ``scaffold``: the folder is missing or empty, so that the template is laid into it. ``stages``: the Dockerfile's named
    stages (those of the template where it is still to be made).
    """

    image: str = ""
    context: str = ""
    dockerfile: str = "Dockerfile"
    target: str | None = None
    scaffold: bool = False
    elsewhere: bool = False
    """The context is the user's own (a path), not ``services/<name>``."""
    stages: frozenset[str] = frozenset()

    @property
    def own_image(self) -> bool:
        """Whether the image is built from a folder that began as one of our templates."""
        return not self.image and not self.elsewhere


def source_of(project: Project, number: int, name: str, path: str, faults: Faults) -> Source:
    """Where slot ``number`` comes from. ``path`` is the template field where that is a folder."""
    settings = project.settings
    image = settings.get(f"CS_{number}_IMAGE")
    asked, variable = settings.get(f"CS_{number}_PATH"), f"CS_{number}_PATH"
    if not asked and path:
        asked, variable = path, f"CS_{number}"
    if image and asked:
        faults.add(f"CS_{number}_IMAGE", f"an image is given, and {variable} gives a folder to build", "keep one of the two")
    dockerfile = str(settings.get(f"CS_{number}_DOCKERFILE", "Dockerfile"))
    if dockerfile.startswith("/") or ".." in Path(dockerfile).parts:
        faults.add(f"CS_{number}_DOCKERFILE", f"{dockerfile!r} leaves the build context", "give a path inside it")
    target = settings.get(f"CS_{number}_BUILD_TARGET")
    if image:
        return Source(image=str(image))
    if asked:
        context = _inside(project.root, str(asked), variable, faults)
        stages = _stages(project.root / context / dockerfile)
        return Source(context=context, dockerfile=dockerfile, target=target, elsewhere=True, stages=stages)
    context = _folder_of(project.root, name)
    folder = project.root / context
    if is_empty(folder):
        return Source(context=context, dockerfile=dockerfile, target=target, scaffold=True, stages=frozenset({"dev"}))
    # a folder without one is a template laid out in part, by a build that was interrupted
    stages = _stages(folder / dockerfile) if (folder / dockerfile).exists() else frozenset({"dev"})
    return Source(context=context, dockerfile=dockerfile, target=target, stages=stages)


def is_empty(folder: Path) -> bool:
    """Whether a folder is missing or holds nothing of the user's."""
    try:
        return all(entry.name in _FILES_OF_NOBODY for entry in folder.iterdir())
    except FileNotFoundError:
        return True


def _folder_of(root: Path, name: str) -> str:
    """``services/<name>`` as the user spells it; the host name's spelling where only that folder is there."""
    raw, plain = f"{SERVICES}/{name}", f"{SERVICES}/{dns_label(name)}"
    return plain if is_empty(root / raw) and not is_empty(root / plain) else raw


def _inside(root: Path, asked: str, variable: str, faults: Faults) -> str:
    """A path of the project, relative to its root; one that leads out of it, through a link too, is a fault."""
    home = root.resolve()
    found = (home / asked).resolve()
    if not found.is_relative_to(home):
        faults.add(
            variable,
            f"{asked!r} leads out of the project",
            "give a folder inside it: a build sends the whole folder to the engine",
        )
        return "."
    if not found.is_dir():
        faults.add(variable, f"there is no folder {asked!r} in the project", "make it, with its Dockerfile")
    return str(found.relative_to(home))


def _stages(dockerfile: Path) -> frozenset[str]:
    try:
        return frozenset(_STAGE.findall(dockerfile.read_text(encoding="utf-8", errors="replace")))
    except OSError:
        return frozenset()
