"""Where things are: the user's nself folder and the project's root. Start-up reads this, so it imports next to nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

#: What makes a folder a project: any one of these.
PROJECT_MARKS = (".env", ".env.dev", ".environments", ".nself")


def home(environ: Mapping[str, str] | None = None) -> Path:
    """The user's nself folder: ``NSELF_HOME``, else ``~/.nself``. It need not exist."""
    wanted = (os.environ if environ is None else environ).get("NSELF_HOME")
    return Path(wanted).expanduser().absolute() if wanted else Path.home() / ".nself"


def find_root(start: Path | None = None) -> Path | None:
    """The nearest folder from ``start`` (the working folder) upward that is a project, or ``None``.

    The user's own ``~/.nself`` is nself's home and makes no project of the folder that holds it.
    """
    try:
        here = (start or Path.cwd()).absolute()
    except OSError:  # the working folder was deleted
        return None
    own = str(home())
    for folder in (here, *here.parents):
        for mark in PROJECT_MARKS:
            place = os.path.join(folder, mark)  # noqa: PTH118  a Path for each of forty tries costs start-up
            if place != own and os.path.exists(place):  # noqa: PTH110
                return folder
    return None
