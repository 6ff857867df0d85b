"""Rotation of the key of access tokens, kept with the project's secrets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hookspecs import UserError

from .operator import Operator, require_server

if TYPE_CHECKING:
    from hookspecs import CommandContext

_HOUR = 3600


def rotate(context: CommandContext, env: str | None, overlap: int | None) -> list[str]:
    """Replace the key; the names of the secrets that changed. ``overlap`` in seconds, ``None``: a token's life and an hour."""
    require_server()
    from .server.admin.keys import rotate as replaced
    from .server.settings import SettingsError

    settings = Operator.of(context, env).settings
    kept = settings.access_token_expires_in + _HOUR if overlap is None else overlap
    # The server's generator calls by the signature's name what the engine calls by the curve's.
    kind = json.loads(settings.jwt_secret)["type"]
    try:
        made = replaced(
            settings.jwt_secret, settings.jwt_previous_secrets, overlap=kept, algorithm="EdDSA" if kind == "Ed25519" else kind
        )
    except SettingsError as error:
        raise UserError(f"the key cannot be replaced: {error}", code="auth-keys") from None
    fresh = json.loads(made.secret)
    values = {"HASURA_JWT_KEY": fresh["key"], "AUTH_JWT_PREVIOUS_SECRETS": made.previous if kept else "[]"}
    if "signing_key" in fresh:
        values["HASURA_JWT_SIGNING_KEY"] = fresh["signing_key"]
    context.keep(values, env)
    return list(values)
