"""A licence as a token: ``nself_pro_<payload>.<signature>``, both in URL-safe Base64 without padding.

The payload is canonical JSON; the ed25519 signature is over its pre-authentication encoding under a type of its own, so that no
signature of a plugin passes for a licence. Enterprise licences begin with ``nself_ent_``.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from hookspecs.errors import UserError
from nself_core.plugins.keys import own_keys, parse_public
from nself_core.plugins.publishers import OURS
from nself_core.plugins.signing import SigningKey, canonical, key_id, pre_authentication_encoding

PAYLOAD_TYPE = "application/vnd.nself.licence+json"
#: Public keys that licences are signed with, one a line, beside the release's own: so that selling them needs not that one.
VENDOR_KEYS = Path(__file__).with_name("vendor.pub")
_PREFIXES = ("nself_pro_", "nself_ent_")


@dataclass(frozen=True, slots=True)
class Licence:
    """What a token says. Dates are inclusive, in UTC, as ``2026-12-31``."""

    holder: str
    plan: str
    bundles: tuple[str, ...]
    issued: str
    expires: str
    grace: int = 14
    """Days after ``expires`` in which it still counts, with a warning."""
    key: str = ""
    """Id of the key that signed it."""
    format: int = 1

    @property
    def last_day(self) -> date:
        """The last day on which it counts."""
        return date.fromisoformat(self.expires) + timedelta(days=self.grace)


def issue(licence: Licence, key: SigningKey) -> str:
    """The token of a licence, signed by the vendor."""
    from dataclasses import replace

    body = canonical(asdict(replace(licence, key=key.id)))
    prefix = _PREFIXES[1] if licence.plan == "enterprise" else _PREFIXES[0]
    return f"{prefix}{_encode(body)}.{_encode(key.sign(pre_authentication_encoding(PAYLOAD_TYPE, body)))}"


def verified(token: str, keys: Mapping[str, bytes]) -> Licence:
    """The licence in a token that one of these keys signed; ``UserError`` where it is none."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    text = token.strip()
    if not text.startswith(_PREFIXES) or len(text) > 10_000:
        raise _no_licence("it does not begin with nself_pro_ or nself_ent_")
    payload, _, signature = text[len(_PREFIXES[0]) :].partition(".")
    try:
        body, given = _decode(payload), _decode(signature)
        content = json.loads(body)
        licence = Licence(**{**content, "bundles": tuple(content["bundles"])})
        _ = (licence.last_day, date.fromisoformat(licence.issued))
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        raise _no_licence("it is damaged; copy it whole") from None
    texts = (licence.holder, licence.plan, licence.key, *licence.bundles)
    if (
        licence.format != 1
        or content.keys() != {one.name for one in fields(Licence)}
        or not all(isinstance(t, str) for t in texts)
    ):
        raise _no_licence("it is of a form that this nself does not know")
    public = keys.get(licence.key)
    if public is None:
        raise _no_licence(f"it is signed with the key {licence.key[:32]}, which is not the vendor's")
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(given, pre_authentication_encoding(PAYLOAD_TYPE, body))
    except InvalidSignature:
        raise _no_licence("its signature does not fit what it says") from None
    return licence


def vendor_keys(home: Path) -> Mapping[str, bytes]:
    """The keys that licences count by. A release knows those it carries and no others, whatever its environment says.

    A source checkout carries none; there this home's own key of ``nself`` stands in for the vendor's.
    """
    from nself_core.plugins.trust import in_wheel

    if in_wheel():
        from nself_core.release import public_key

        release = public_key()
        texts = VENDOR_KEYS.read_text(encoding="utf-8").split() if VENDOR_KEYS.is_file() else []
        carried = [*map(parse_public, texts), *([release] if release else [])]
        return {key_id(public): public for public in carried}
    return own_keys(home).get(OURS, {})


def today() -> date:
    return datetime.now(UTC).date()


def _no_licence(reason: str) -> UserError:
    return UserError(f"this is no valid licence: {reason}", remedy="copy the token as it was sent to you", code="licence-invalid")


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
