"""The JSON that says how access tokens are signed, in Hasura's form.

https://hasura.io/docs/2.0/auth/authentication/jwt/#hasura-jwt-configuration-options
"""

from __future__ import annotations

import json

from hookspecs import Join, Project, Secret

_OPTIONS = {"issuer": "HASURA_JWT_ISSUER", "audience": "HASURA_JWT_AUDIENCE", "claims_namespace": "HASURA_JWT_CLAIMS_NAMESPACE"}


def jwt_secret(project: Project) -> Join:
    """``HASURA_GRAPHQL_JWT_SECRET``: type, key and the options that are set; the key is put in by the writer."""
    settings = project.settings
    head = {"type": settings["HASURA_JWT_TYPE"]}
    head |= {option: settings[name] for option, name in _OPTIONS.items() if settings[name]}
    return Join.of(json.dumps(head)[:-1], ', "key": "', Secret(name="HASURA_JWT_KEY", quote="json"), '"}')
