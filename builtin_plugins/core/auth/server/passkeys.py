"""WebAuthn ceremonies: options and their checks by py_webauthn, challenges kept in the database until they are used once.

JSON forms are those of the WebAuthn specification's `toJSON` (Level 3, 5.1): binary values as base64url.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import webauthn
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, options_to_json_dict, parse_client_data_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from .errors import ApiError
from .models import AssertionCredential, CreationCredential, Credential
from .service import Service

_TRANSPORTS = {item.value for item in AuthenticatorTransport}


@dataclass(frozen=True, slots=True)
class Ceremony:
    """A challenge that was answered."""

    challenge: bytes
    user_id: UUID | None
    options: dict[str, Any]


@dataclass(frozen=True, slots=True)
class NewKey:
    """A registered key that is not stored yet."""

    credential_id: str
    public_key: bytes
    counter: int
    transports: str
    nickname: str | None


@dataclass(frozen=True, slots=True)
class SecurityKey:
    """A row of `auth.user_security_keys`."""

    id: UUID
    user_id: UUID
    credential_id: str
    public_key: bytes
    counter: int


async def _remember(
    service: Service, challenge: bytes, purpose: str, user_id: UUID | None, options: dict[str, Any] | None
) -> None:
    await service.pool.execute(
        """INSERT INTO auth.nself_webauthn_challenges (challenge, purpose, user_id, options, expires_at)
           VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5))""",
        bytes_to_base64url(challenge),
        purpose,
        user_id,
        options or {},
        service.settings.webauthn_timeout_ms / 1000 + 5,
    )


async def answered(service: Service, credential: Credential, purpose: str) -> Ceremony:
    """The ceremony whose challenge the browser signed; it is used up by this, right or wrong."""
    client_data: str = credential.response.client_data_json  # type: ignore[attr-defined]
    try:
        challenge = parse_client_data_json(base64url_to_bytes(client_data)).challenge
    except (WebAuthnException, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ApiError("invalid-request", message="clientDataJSON cannot be read") from None
    row = await service.pool.fetchrow(
        """DELETE FROM auth.nself_webauthn_challenges WHERE challenge = $1 AND purpose = $2 AND expires_at > now()
           RETURNING user_id, options""",
        bytes_to_base64url(challenge),
        purpose,
    )
    if row is None:
        raise ApiError("invalid-request", message="unknown or expired challenge")
    return Ceremony(challenge, row["user_id"], row["options"] or {})


async def creation_options(
    service: Service, purpose: str, user_id: UUID, name: str, display_name: str, options: dict[str, Any] | None = None
) -> dict[str, Any]:
    """`PublicKeyCredentialCreationOptions` for a new key of this user, without those the user has."""
    settings = service.settings
    challenge = secrets.token_bytes(32)
    made = webauthn.generate_registration_options(
        rp_id=settings.relying_party,
        rp_name=settings.webauthn_rp_name,
        user_name=name,
        user_id=str(user_id).encode(),
        user_display_name=display_name,
        challenge=challenge,
        timeout=settings.webauthn_timeout_ms,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED, user_verification=UserVerificationRequirement.PREFERRED
        ),
        exclude_credentials=await descriptors(service, user_id),
    )
    await _remember(service, challenge, purpose, user_id, options)
    return options_to_json_dict(made)


async def request_options(
    service: Service, purpose: str, user_id: UUID | None, allow: list[PublicKeyCredentialDescriptor] | None
) -> dict[str, Any]:
    """`PublicKeyCredentialRequestOptions`."""
    settings = service.settings
    challenge = secrets.token_bytes(32)
    made = webauthn.generate_authentication_options(
        rp_id=settings.relying_party,
        challenge=challenge,
        timeout=settings.webauthn_timeout_ms,
        allow_credentials=allow,
        user_verification=UserVerificationRequirement.PREFERRED,
    )
    await _remember(service, challenge, purpose, user_id, None)
    return options_to_json_dict(made)


async def descriptors(service: Service, user_id: UUID, *, hints: bool = True) -> list[PublicKeyCredentialDescriptor]:
    """The user's keys as options name them, with `hints` how each is reached."""
    rows = await service.pool.fetch(
        "SELECT credential_id, transports FROM auth.user_security_keys WHERE user_id = $1 ORDER BY id", user_id
    )
    return [
        PublicKeyCredentialDescriptor(
            id=base64url_to_bytes(row["credential_id"]),
            transports=[AuthenticatorTransport(t) for t in row["transports"].split(",") if hints and t in _TRANSPORTS] or None,
        )
        for row in rows
    ]


def decoy(service: Service, email: str) -> list[PublicKeyCredentialDescriptor]:
    """What an unknown address is answered with: a key that looks like one, the same one every time.

    Its length is one of those that usual authenticators give.
    """
    secret = hashlib.sha256(b"nself webauthn decoy\0" + service.settings.jwt_secret.encode()).digest()
    made = hmac.digest(secret, email.lower().encode(), "sha512")
    return [PublicKeyCredentialDescriptor(id=made[: (16, 20, 32, 48)[made[-1] % 4]])]


def _json(credential: Credential) -> dict[str, Any]:
    return credential.model_dump(by_alias=True, exclude_none=True)


def checked_key(service: Service, ceremony: Ceremony, credential: CreationCredential, nickname: str | None) -> NewKey:
    """The key of a registration, after its checks."""
    settings = service.settings
    try:
        verified = webauthn.verify_registration_response(
            credential=_json(credential),
            expected_challenge=ceremony.challenge,
            expected_rp_id=settings.relying_party,
            expected_origin=settings.origins,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError, AttributeError):
        raise ApiError("invalid-request", message="the credential does not verify") from None
    return NewKey(
        credential_id=bytes_to_base64url(verified.credential_id),
        public_key=verified.credential_public_key,
        counter=verified.sign_count,
        transports=",".join(t for t in credential.response.transports or [] if t in _TRANSPORTS),
        nickname=nickname,
    )


async def store_key(conn: asyncpg.Connection, user_id: UUID | None, key: NewKey) -> UUID:
    """Store a user's key; its row's id."""
    try:
        key_id: UUID = await conn.fetchval(
            """INSERT INTO auth.user_security_keys (user_id, credential_id, credential_public_key, counter, transports, nickname)
               VALUES ($1, $2, $3, $4, $5, $6) RETURNING id""",
            user_id,
            key.credential_id,
            key.public_key,
            key.counter,
            key.transports,
            key.nickname,
        )
    except asyncpg.UniqueViolationError:
        raise ApiError("invalid-request", message="the security key is registered already") from None
    return key_id


async def assertion(service: Service, credential: AssertionCredential, purpose: str) -> SecurityKey:
    """Check an assertion; the key that made it. A counter that goes back is a cloned key and refused."""
    ceremony = await answered(service, credential, purpose)
    row = await service.pool.fetchrow(
        "SELECT * FROM auth.user_security_keys WHERE credential_id = $1", credential.raw_id.rstrip("=")
    )
    if row is None or (ceremony.user_id is not None and ceremony.user_id != row["user_id"]):
        raise ApiError("invalid-request", message="unknown security key")
    settings = service.settings
    try:
        verified = webauthn.verify_authentication_response(
            credential=_json(credential),
            expected_challenge=ceremony.challenge,
            expected_rp_id=settings.relying_party,
            expected_origin=settings.origins,
            credential_public_key=row["credential_public_key"],
            credential_current_sign_count=row["counter"],
        )
    except (WebAuthnException, ValueError, KeyError, TypeError, AttributeError):
        raise ApiError("invalid-request", message="the credential does not verify") from None
    await service.pool.execute(
        "UPDATE auth.user_security_keys SET counter = $2 WHERE id = $1", row["id"], verified.new_sign_count
    )
    return SecurityKey(row["id"], row["user_id"], row["credential_id"], row["credential_public_key"], verified.new_sign_count)
