"""The Stripe accounts that are mirrored, from the settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hookspecs import Finding, HostContext, Project

#: The account of STRIPE_API_KEY.
PRIMARY = "primary"


@dataclass(frozen=True, slots=True)
class Account:
    """A name, which rows carry as ``source_account_id``, and the key it is read with."""

    name: str
    key: str = field(repr=False)


def accounts(host: HostContext) -> list[Account]:
    """Every account with a key; the primary one first."""
    found = []
    first = host.secret("STRIPE_API_KEY")
    if first:
        found.append(Account(PRIMARY, first.strip()))
    more = [key.strip() for key in (host.secret("STRIPE_API_KEYS") or "").split(",") if key.strip()]
    labels = list(host.settings["STRIPE_ACCOUNT_LABELS"] or ())
    for number, key in enumerate(more, 2):
        name = labels[number - 2].lower() if number - 2 < len(labels) else f"account-{number}"
        if all(key != one.key for one in found):
            found.append(Account(name, key))
    return found


def findings(project: Project) -> Iterator[Finding]:
    """What is missing before the mirror can work."""
    from hookspecs import Finding, Level

    settings = project.settings
    if settings.secret("STRIPE_API_KEY") is None and settings.secret("STRIPE_API_KEYS") is None:
        yield Finding(
            level=Level.WARNING,
            message="the stripe plugin has no key, so nothing is mirrored",
            variable="STRIPE_API_KEY",
            remedy="nself config set STRIPE_API_KEY (a restricted key that may read is enough)",
            code="stripe-no-key",
        )
    if settings.secret("STRIPE_WEBHOOK_SECRET") is None:
        yield Finding(
            level=Level.WARNING,
            message="the stripe plugin has no webhook secret, so it takes no events",
            variable="STRIPE_WEBHOOK_SECRET",
            remedy="add the endpoint that nself urls shows at Stripe, then nself config set STRIPE_WEBHOOK_SECRET",
            code="stripe-no-webhook-secret",
        )
