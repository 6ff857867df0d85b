"""``nself license``: the token that paid plugins need, and for the vendor, making one."""

from __future__ import annotations

import sys
from typing import Any

import click

from nself_core import paths
from nself_core.cli.options import json_option
from nself_core.cli.output import next_step, print_json, say

_EXAMPLES = "\b\nExamples:\n  nself license set nself_pro_…\n  nself license status"


@click.group(short_help="Set, show and remove the licence for paid plugins.", epilog=_EXAMPLES)
def command() -> None:
    """Set, show and remove the licence for paid plugins.

    It is verified here, without asking anybody. It is needed to install and update paid plugins; what is installed runs on
    when it has expired.
    """


@command.command("set", epilog="\b\nExamples:\n  nself license set nself_pro_…\n  nself license set - < token.txt")
@click.argument("text", metavar="TOKEN")
@json_option
def set_(text: str, as_json: bool) -> None:
    """Keep a licence on this machine; `-` reads it from standard input."""
    from nself_core.licences import check
    from nself_core.licences.token import vendor_keys, verified
    from nself_core.plugins.files import write_private

    text = (sys.stdin.read() if text == "-" else text).strip()
    verified(text, vendor_keys(paths.home()))
    write_private(check.place(paths.home()), text + "\n")
    _show(as_json)


@command.command(epilog="\b\nExamples:\n  nself license status --json")
@json_option
def status(as_json: bool) -> None:
    """Show the licence: plan, bundles, until when; exit code 1 where there is none that counts."""
    _show(as_json)


@command.command(epilog="\b\nExamples:\n  nself license remove")
def remove() -> None:
    """Forget the licence kept on this machine."""
    from hookspecs.errors import UserError
    from nself_core.licences.check import place

    if not place(paths.home()).exists():
        raise UserError("no licence is kept here", code="licence-missing")
    place(paths.home()).unlink()
    say("the licence is removed; what is installed runs on")


@command.command(epilog="\b\nExamples:\n  nself license issue --holder 'Acme Ltd' --plan bundle --bundle nclaw --days 365")
@click.option("--holder", required=True, help="Who it is for.")
@click.option("--plan", required=True, help="A plan of the price list: bundle, pro, enterprise.")
@click.option("--bundle", "bundles", multiple=True, help="A bundle it holds; may be given again.")
@click.option("--days", type=click.IntRange(1, 36_500), default=365, show_default=True, help="How long it counts.")
@click.option(
    "--grace", type=click.IntRange(0, 365), default=14, show_default=True, help="Days after that in which it still does."
)
@json_option
def issue(holder: str, plan: str, bundles: tuple[str, ...], days: int, grace: int, as_json: bool) -> None:
    """For the vendor: make a licence, signed with the key `nself` of this home."""
    from dataclasses import asdict
    from datetime import timedelta

    from hookspecs.errors import UserError
    from nself_core.licences import offers, token
    from nself_core.plugins.keys import load_key
    from nself_core.plugins.publishers import OURS

    unknown = [name for name in bundles if name not in offers.bundles()]
    if plan not in offers.plans() or unknown:
        what = f"bundle {unknown[0]!r}" if unknown else f"plan {plan!r}"
        known = ", ".join(offers.bundles()) if unknown else ", ".join(sorted(offers.plans()))
        raise UserError(f"there is no {what}", remedy=f"it is one of {known}", exit_code=2)
    if not bundles and not offers.covers_all(plan):
        raise UserError(f"the plan {plan} needs a bundle", remedy="--bundle NAME", exit_code=2)
    today = token.today()
    licence = token.Licence(holder, plan, tuple(sorted(bundles)), str(today), str(today + timedelta(days=days)), grace)
    made = token.issue(licence, load_key(paths.home(), OURS))
    if as_json:
        print_json({**asdict(licence), "token": made})
    else:
        say(made)


def _show(as_json: bool) -> None:
    from nself_core.licences.check import standing

    stands = standing(paths.home())
    if as_json:
        print_json(_document(stands))
    elif stands is None:
        say("there is no licence here; free plugins need none")
        next_step("nself plugin list --available --tier pro")
    else:
        licence = stands.licence
        held = ", ".join(licence.bundles) or "every paid plugin"
        say(f"{licence.plan} for {licence.holder}: {held}, until {licence.expires} and {licence.grace} days of grace")
        say(f"{stands.state}{f': {stands.reason}' if stands.reason else ''}")
    if stands is None or stands.state in {"expired", "clock"}:
        raise click.exceptions.Exit(1)


def _document(stands: Any) -> dict[str, Any]:
    from dataclasses import asdict

    if stands is None:
        return {"licence": None, "state": "none", "reason": ""}
    return {"licence": asdict(stands.licence), "state": stands.state, "reason": stands.reason}
