"""A GraphQL engine that speaks the Hasura v2 HTTP API, for runtimes without containers and as an image."""

import sys

# httpx's own command line brings rich and pygments in, a sixth of what this process imports, and is never used here.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
