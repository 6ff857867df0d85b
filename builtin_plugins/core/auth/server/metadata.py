"""What the GraphQL engine tracks of the schema `auth`, in Hasura's metadata form (`tables` of a source, version 3).

Names follow hasura-auth's: `auth.users` is `users`, columns are camelCase. A user reads the own row without what secures
it, and the own roles, linked providers, keys and sessions; everything else is for the admin role.
"""

from __future__ import annotations

from typing import Any

from pydantic.alias_generators import to_camel

SCHEMA = "auth"
_OWN = {"user_id": {"_eq": "X-Hasura-User-Id"}}

# table → (root name singular, plural, GraphQL type, columns)
_TABLES: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "users": (
        "user", "users", "users",
        ("id", "created_at", "updated_at", "last_seen", "disabled", "display_name", "avatar_url", "locale", "email",
         "phone_number", "password_hash", "email_verified", "phone_number_verified", "new_email", "otp_method_last_used",
         "otp_hash", "otp_hash_expires_at", "default_role", "is_anonymous", "totp_secret", "active_mfa_type", "ticket",
         "ticket_expires_at", "metadata", "webauthn_current_challenge"),
    ),
    "roles": ("authRole", "authRoles", "authRoles", ("role",)),
    "user_roles": ("authUserRole", "authUserRoles", "authUserRoles", ("id", "created_at", "user_id", "role")),
    "refresh_tokens": (
        "authRefreshToken", "authRefreshTokens", "authRefreshTokens",
        ("id", "created_at", "expires_at", "user_id", "metadata", "type", "refresh_token_hash"),
    ),
    "refresh_token_types": ("authRefreshTokenType", "authRefreshTokenTypes", "authRefreshTokenTypes", ("value", "comment")),
    "providers": ("authProvider", "authProviders", "authProviders", ("id",)),
    "provider_requests": ("authProviderRequest", "authProviderRequests", "authProviderRequests", ("id", "options")),
    "user_providers": (
        "authUserProvider", "authUserProviders", "authUserProviders",
        ("id", "created_at", "updated_at", "user_id", "access_token", "refresh_token", "provider_id", "provider_user_id"),
    ),
    "user_security_keys": (
        "authUserSecurityKey", "authUserSecurityKeys", "authUserSecurityKeys",
        ("id", "user_id", "credential_id", "credential_public_key", "counter", "transports", "nickname"),
    ),
}  # fmt: skip

_OBJECTS: dict[str, dict[str, str]] = {
    "users": {"defaultRoleByRole": "default_role"},
    "user_roles": {"user": "user_id", "roleByRole": "role"},
    "refresh_tokens": {"user": "user_id", "refreshTokenType": "type"},
    "user_providers": {"user": "user_id", "provider": "provider_id"},
    "user_security_keys": {"user": "user_id"},
}
_ARRAYS: dict[str, dict[str, tuple[str, str]]] = {
    "users": {
        "roles": ("user_roles", "user_id"),
        "refreshTokens": ("refresh_tokens", "user_id"),
        "userProviders": ("user_providers", "user_id"),
        "securityKeys": ("user_security_keys", "user_id"),
    },
    "roles": {"userRoles": ("user_roles", "role"), "usersByDefaultRole": ("users", "default_role")},
    "providers": {"userProviders": ("user_providers", "provider_id")},
    "refresh_token_types": {"refreshTokens": ("refresh_tokens", "type")},
}

# table → what the role `user` reads: columns, filter
_USER_SELECT: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "users": (
        ("id", "created_at", "updated_at", "last_seen", "display_name", "avatar_url", "locale", "email", "phone_number",
         "email_verified", "phone_number_verified", "default_role", "is_anonymous", "active_mfa_type", "metadata"),
        {"id": {"_eq": "X-Hasura-User-Id"}},
    ),
    "user_roles": (("id", "created_at", "user_id", "role"), _OWN),
    "user_providers": (("id", "created_at", "updated_at", "user_id", "provider_id", "provider_user_id"), _OWN),
    "user_security_keys": (("id", "user_id", "nickname", "transports"), _OWN),
    "refresh_tokens": (("id", "created_at", "expires_at", "user_id", "metadata", "type"), _OWN),
}  # fmt: skip
# Rows of the own that the role `user` may delete: keys, and personal access tokens.
_USER_DELETE: dict[str, dict[str, Any]] = {
    "user_security_keys": {"_and": [_OWN, {"user_id": {"_eq": "X-Hasura-Auth-Elevated"}}]},
    "refresh_tokens": {"_and": [_OWN, {"type": {"_eq": "pat"}}]},
}


def tables() -> list[dict[str, Any]]:
    """The tables with configuration, relationships and permissions."""
    return [_table(name) for name in _TABLES]


def _table(name: str) -> dict[str, Any]:
    singular, plural, kind, columns = _TABLES[name]
    title = singular[0].upper() + singular[1:]
    many = plural[0].upper() + plural[1:]
    entry: dict[str, Any] = {
        "table": {"schema": SCHEMA, "name": name},
        "configuration": {
            "custom_name": kind,
            "column_config": {c: {"custom_name": to_camel(c)} for c in columns if to_camel(c) != c},
            "custom_root_fields": {
                "select": plural,
                "select_by_pk": singular,
                "select_aggregate": f"{plural}Aggregate",
                "insert": f"insert{many}",
                "insert_one": f"insert{title}",
                "update": f"update{many}",
                "update_by_pk": f"update{title}",
                "delete": f"delete{many}",
                "delete_by_pk": f"delete{title}",
            },
        },
    }
    if name in _OBJECTS:
        entry["object_relationships"] = [
            {"name": label, "using": {"foreign_key_constraint_on": column}} for label, column in _OBJECTS[name].items()
        ]
    if name in _ARRAYS:
        entry["array_relationships"] = [
            {
                "name": label,
                "using": {"foreign_key_constraint_on": {"table": {"schema": SCHEMA, "name": table}, "column": column}},
            }
            for label, (table, column) in _ARRAYS[name].items()
        ]
    if name in _USER_SELECT:
        shown, rule = _USER_SELECT[name]
        entry["select_permissions"] = [{"role": "user", "permission": {"columns": list(shown), "filter": rule}}]
    if name in _USER_DELETE:
        entry["delete_permissions"] = [{"role": "user", "permission": {"filter": _USER_DELETE[name]}}]
    return entry
