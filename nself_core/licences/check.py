"""Whether this home may install a paid plugin. A licence is asked for at install and update, never to run what is installed."""

from __future__ import annotations

import os
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

from hookspecs.errors import UserError
from nself_core.licences import offers
from nself_core.licences.token import Licence, today, vendor_keys, verified
from nself_core.plugins.files import write_private
from nself_core.plugins.sources.model import Release

VARIABLE = "NSELF_LICENSE_KEY"
#: How far a clock may be behind what it has shown before.
_SLACK = timedelta(days=1)


class Standing(NamedTuple):
    """How a licence stands today."""

    licence: Licence
    state: str
    """``valid``, ``grace``, ``expired`` or ``clock``: the machine's clock cannot be right."""
    reason: str = ""


def place(home: Path) -> Path:
    """Where the token is kept (0600)."""
    return home / "license" / "key"


def token(home: Path) -> tuple[str, str] | None:
    """The token and where it comes from; the process environment beats the file."""
    named = os.environ.get(VARIABLE, "").strip()
    if named:
        return named, VARIABLE
    try:
        return place(home).read_text(encoding="utf-8").strip(), str(place(home))
    except FileNotFoundError:
        return None


def standing(home: Path) -> Standing | None:
    """The licence of this home as it stands today; ``None`` where there is none, ``UserError`` where it is false."""
    found = token(home)
    if found is None:
        return None
    try:
        licence = verified(found[0], vendor_keys(home))
    except UserError as error:
        error.where = found[1]
        raise
    return judged(licence, today(), _latest(home))


def judged(licence: Licence, now: date, latest: date) -> Standing:
    """``latest`` is the latest day this home has seen: a clock that is set back brings no licence back to life."""
    if now < latest - _SLACK or now < date.fromisoformat(licence.issued) - _SLACK:
        known = max(latest, date.fromisoformat(licence.issued))
        return Standing(licence, "clock", f"this machine's clock says {now}, and it has been {known} already: set it right")
    now = max(now, latest)
    if now > licence.last_day:
        return Standing(licence, "expired", f"it expired on {licence.expires}, and its grace of {licence.grace} days is over")
    if now > date.fromisoformat(licence.expires):
        return Standing(licence, "grace", f"it expired on {licence.expires} and counts until {licence.last_day}")
    return Standing(licence, "valid")


def covers(licence: Licence, release: Release) -> bool:
    """Whether a licence's plan or bundles hold a plugin."""
    return offers.covers_all(licence.plan) or bool(set(licence.bundles) & set(release.bundles))


def require(home: Path, release: Release, *, update: bool) -> None:
    """``UserError`` where a licence is needed and not there: what it takes, and at what price."""
    if release.tier != "pro":
        return
    stands = standing(home)
    remember_today(home)
    named = f"{release.full_name} {release.version}"
    if stands is None:
        raise UserError(f"{named} is a paid plugin, and there is no licence here", remedy=_buy(release), code="licence-missing")
    if not covers(stands.licence, release):
        has = ", ".join(stands.licence.bundles) or stands.licence.plan
        raise UserError(
            f"{named} is a paid plugin, and your licence ({has}) does not hold it", remedy=_buy(release), code="licence-wrong"
        )
    if stands.state in {"expired", "clock"}:
        runs = "; what is installed goes on running" if update else ""
        remedy = "renew it, then: nself license set TOKEN" if stands.state == "expired" else "set the clock right"
        raise UserError(f"{named} needs your licence: {stands.reason}{runs}", remedy=remedy, code=f"licence-{stands.state}")


def _buy(release: Release) -> str:
    return f"{'; or '.join(offers.ways_to(release.bundles))}. Then: nself license set TOKEN"


def _latest(home: Path) -> date:
    try:
        return date.fromisoformat((home / "license" / "latest").read_text(encoding="utf-8").strip())
    except (OSError, ValueError):
        return date.min + _SLACK


def remember_today(home: Path) -> None:
    """Keep the latest day seen."""
    now = today()
    if now > _latest(home):
        write_private(home / "license" / "latest", f"{now}\n")
