"""``nself eject``."""

from __future__ import annotations

from pathlib import Path

import click

from nself_core.cli import output
from nself_core.cli.options import env_option


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@env_option
@click.option("--runtime", "runtime_name", metavar="NAME", help="Whose files to write; the first runtime that can be ejected.")
def command(*, folder: Path, env: str | None, runtime_name: str | None) -> None:
    """Write into FOLDER all that the stack needs to run without nself, and leave this project as it is.

    Plain files of the runtime's own tools, with secrets in files of their own (0600). Data stays where it is: what you start
    from FOLDER takes up the data of this project, so stop the one before you start the other.

    \b
    Examples:
      nself eject ../without-nself
      nself eject out --env prod
    """
    from importlib import import_module

    from hookspecs.errors import UserError
    from nself_core.workspace import Workspace

    workspace = Workspace.open(env)
    able = [o for o in workspace.offers() if o.eject and runtime_name in {None, o.name}]
    if not able:
        what = f"the {workspace.offer(runtime_name).name} runtime has" if runtime_name else "no runtime here has"
        raise UserError(f"{what} a form that runs without nself", remedy="nself runtime show", code="eject")
    if folder.exists() and any(folder.iterdir()):
        raise UserError(
            f"{folder} holds something already", remedy="name a folder that is empty or not there", code="eject-folder"
        )
    module, _, function = able[0].eject.partition(":")
    name = able[0].name
    with workspace.lock("eject"):
        workspace.build(asked=env)
        stack = workspace.stack(name)
        folder.mkdir(parents=True, exist_ok=True)
        made = getattr(import_module(module), function)(workspace.project(name), stack, workspace.resolver(stack), folder)
    for item in made:
        output.say(f"wrote {folder / item}")
    output.next_step(f"read {folder / 'README.md'}; nself stop before you start what is there")
