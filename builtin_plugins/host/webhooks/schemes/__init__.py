"""The signature schemes, one module each: pure functions over headers, body, keys and time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from . import github, paypal, plain, shopify, slack, standard, stripe, twilio
from .model import Delivery, RefusedError, Scheme, Verified

if TYPE_CHECKING:
    from hookspecs.models.manifest import WebhookScheme

SCHEMES: Mapping[WebhookScheme, Scheme] = {
    "standard": standard.SCHEME,
    "stripe": stripe.SCHEME,
    "github": github.SCHEME,
    "shopify": shopify.SCHEME,
    "slack": slack.SCHEME,
    "twilio": twilio.SCHEME,
    "paypal": paypal.SCHEME,
    "hmac-sha256": plain.SCHEME,
}

__all__ = ["SCHEMES", "Delivery", "RefusedError", "Scheme", "Verified"]
