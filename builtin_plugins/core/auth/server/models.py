"""The request bodies of the contract. Unknown names, wrong types and nulls are refused, as its schemas say."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.alias_generators import to_camel

_NOT_TEXT = re.compile("[\x00\ud800-\udfff]")
_UUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
# The form that the column type auth.email accepts, which is HTML's.
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
Email = Annotated[
    str, StringConstraints(pattern=rf"^[a-zA-Z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{_LABEL}(?:\.{_LABEL})*$", max_length=254)
]
Password = Annotated[str, StringConstraints(min_length=3, max_length=50)]
TokenText = Annotated[str, StringConstraints(pattern=_UUID)]
Text = Annotated[str, StringConstraints(max_length=8192)]
Url = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
Locale = Annotated[str, StringConstraints(min_length=2, max_length=2)]
DisplayName = Annotated[str, StringConstraints(pattern=r"^[\p{L}\p{N}\p{S} ,.'-]+$", max_length=32)]
Base64 = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_+/-]+=*$", max_length=65536)]


def storable(value: Any) -> bool:
    """Whether PostgreSQL can hold this JSON value: no NUL character, no half of a surrogate pair, no NaN or infinity."""
    if isinstance(value, str):
        return _NOT_TEXT.search(value) is None
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(storable(key) and storable(item) for key, item in value.items())
    return all(storable(item) for item in value) if isinstance(value, list) else True


class Body(BaseModel):
    """What all bodies share."""

    # built at the first request that brings one: forty of them would be a fifth of the start
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=to_camel, defer_build=True)
    nullable: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _present(cls, data: Any) -> Any:
        """An optional name may be left out, not null: only what the contract calls nullable may be."""
        if isinstance(data, dict):
            for name, value in data.items():
                if value is None and name not in cls.nullable:
                    raise ValueError(f"{name} must not be null")
        return data


class SignUpOptions(Body):
    """`SignUpOptions`."""

    allowed_roles: list[str] | None = None
    default_role: str | None = None
    display_name: DisplayName | None = None
    locale: Locale | None = None
    metadata: dict[str, Any] | None = None
    redirect_to: Url | None = None


class RedirectOptions(Body):
    """`OptionsRedirectTo`."""

    redirect_to: Url | None = None


class EmailPassword(Body):
    """`SignInEmailPasswordRequest`."""

    email: Email
    password: Password


class SignUpEmailPassword(EmailPassword):
    """`SignUpEmailPasswordRequest`."""

    options: SignUpOptions | None = None


class EmailWithOptions(Body):
    """`SignInPasswordlessEmailRequest`, `SignInOTPEmailRequest`, `SignUpWebauthnRequest`."""

    email: Email
    options: SignUpOptions | None = None


class EmailWithRedirect(Body):
    """`UserPasswordResetRequest`, `UserEmailSendVerificationEmailRequest`."""

    email: Email
    options: RedirectOptions | None = None


class OtpEmailVerify(Body):
    """`SignInOTPEmailVerifyRequest`."""

    otp: Text
    email: Email


PhoneNumber = Annotated[str, StringConstraints(pattern=r"^\+[1-9]\d{5,14}$")]  # E.164


class Sms(Body):
    """`SignInPasswordlessSmsRequest`."""

    phone_number: PhoneNumber
    options: SignUpOptions | None = None


class SmsOtp(Body):
    """`SignInPasswordlessSmsOtpRequest`."""

    phone_number: Text
    otp: Text


class Anonymous(Body):
    """`SignInAnonymousRequest`."""

    display_name: Annotated[str, StringConstraints(max_length=256)] | None = None
    locale: Locale | None = None
    metadata: dict[str, Any] | None = None


class CreatePat(Body):
    """`CreatePATRequest`; the time is RFC 3339's."""

    expires_at: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$")]
    metadata: dict[str, Any] | None = None


class SignInPat(Body):
    """`SignInPATRequest`."""

    personal_access_token: TokenText


class Refresh(Body):
    """`RefreshTokenRequest`."""

    refresh_token: TokenText


class VerifyToken(Body):
    """`VerifyTokenRequest`."""

    token: Text | None = None


class SignOut(Body):
    """`SignOutRequest`, the one body that may carry more names."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, alias_generator=to_camel)

    refresh_token: Text | None = None
    all: bool = False


class MfaTotp(Body):
    """`SignInMfaTotpRequest`."""

    ticket: Annotated[str, StringConstraints(pattern=r"^mfaTotp:.*$", max_length=256)]
    otp: Text


class UserMfa(Body):
    """`UserMfaRequest`."""

    code: Text
    active_mfa_type: Literal["totp", ""] | None = None


class Deanonymize(Body):
    """`UserDeanonymizeRequest`."""

    sign_in_method: Literal["email-password", "passwordless"]
    email: Email
    password: Password | None = None
    connection: Text | None = None
    options: SignUpOptions | None = None


class EmailChange(Body):
    """`UserEmailChangeRequest`."""

    new_email: Email
    options: RedirectOptions | None = None


class PasswordChange(Body):
    """`UserPasswordRequest`."""

    new_password: Password
    ticket: Annotated[str, StringConstraints(pattern=r"^passwordReset:.*$", max_length=256)] | None = None


class IdToken(Body):
    """`LinkIdTokenRequest`."""

    provider: Literal["apple", "google"]
    id_token: Annotated[str, StringConstraints(max_length=16384)]
    nonce: Text | None = None


class SignInIdToken(IdToken):
    """`SignInIdTokenRequest`."""

    options: SignUpOptions | None = None


class AttestationResponse(Body):
    """`AuthenticatorAttestationResponse`."""

    client_data_json: Annotated[Base64, Field(alias="clientDataJSON")]
    attestation_object: Base64
    transports: list[Text] | None = None
    authenticator_data: Base64 | None = None
    public_key: Base64 | None = None
    public_key_algorithm: int | None = None


class AssertionResponse(Body):
    """`AuthenticatorAssertionResponse`."""

    nullable: ClassVar[frozenset[str]] = frozenset({"userHandle"})

    client_data_json: Annotated[Base64, Field(alias="clientDataJSON")]
    authenticator_data: Base64
    signature: Base64
    user_handle: Text | None = None


class Credential(Body):
    """What both kinds of WebAuthn answers share."""

    id: Base64
    type: Text
    raw_id: Base64
    client_extension_results: dict[str, Any] | None = None
    authenticator_attachment: Text | None = None


class CreationCredential(Credential):
    """`CredentialCreationResponse`."""

    response: AttestationResponse


class AssertionCredential(Credential):
    """`CredentialAssertionResponse`."""

    response: AssertionResponse


class WebauthnEmail(Body):
    """`SignInWebauthnRequest`."""

    email: Email | None = None


class WebauthnSignIn(Body):
    """`SignInWebauthnVerifyRequest`; the address is ignored, as the contract says."""

    credential: AssertionCredential
    email: Email | None = None


class WebauthnAdd(Body):
    """`VerifyAddSecurityKeyRequest`."""

    credential: CreationCredential
    nickname: Text | None = None


class WebauthnSignUp(WebauthnAdd):
    """`SignUpWebauthnVerifyRequest`."""

    options: SignUpOptions | None = None
