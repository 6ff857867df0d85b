"""``nself doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from nself_core.cli import output
from nself_core.cli.options import env_option, json_option

if TYPE_CHECKING:
    from nself_core.lifecycle.doctor import Diagnosis


@click.command()
@env_option
@json_option
@click.option("--fix", is_flag=True, help="Mend what can be mended without asking.")
def command(*, env: str | None, as_json: bool, fix: bool) -> None:
    """Find what is wrong with this project and this machine, and offer to mend it. Exits 1 while an error is left.

    Looks at settings, permissions of secret files, stale and edited generated files, ports, missing programs, runtimes,
    disk, clock, image pins and the state of the services.

    \b
    Examples:
      nself doctor
      nself doctor --fix
      nself doctor --json
    """
    from nself_core.lifecycle.doctor import diagnose

    found = list(diagnose(env))
    mended = [_mend(d, fix=fix, ask=not as_json) for d in found]
    left = [d for d, done in zip(found, mended, strict=True) if not done]
    errors = [d for d in left if str(d.finding.level) == "error"]
    if as_json:
        output.print_json(
            {
                "ok": not errors,
                "findings": [
                    {"check": d.check, "mended": done, "mendable": d.mend is not None, **d.finding.model_dump(mode="json")}
                    for d, done in zip(found, mended, strict=True)
                ],
            }
        )
    else:
        warnings = sum(str(d.finding.level) == "warning" for d in left)
        output.say(f"{len(errors)} errors, {warnings} warnings, {sum(mended)} mended." if found else "Nothing is wrong.")
        if not fix and any(d.mend for d in left):
            output.next_step("nself doctor --fix")
    if errors:
        raise click.exceptions.Exit(1)


def _mend(diagnosis: Diagnosis, *, fix: bool, ask: bool) -> bool:
    if ask:
        output.print_findings([diagnosis.finding])
    if diagnosis.mend is None:
        return False
    if not (fix or (ask and _agreed(diagnosis.offer))):
        return False
    diagnosis.mend()
    if ask:
        output.tell(f"  {output.style('✓', err=True, fg='green')} mended: {diagnosis.offer}")
    return True


def _agreed(offer: str) -> bool:
    import sys

    return sys.stdin.isatty() and sys.stderr.isatty() and click.confirm(f"  {offer}?", err=True)
