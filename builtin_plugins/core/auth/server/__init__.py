"""The auth server of the native runtime: hasura-auth's HTTP API, tables and environment variables, in Python."""

import sys

# httpx's own command line brings rich and pygments in, a sixth of what this process imports, and is never used here.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
