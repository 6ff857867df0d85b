"""The auth server of the native runtime: hasura-auth's HTTP API, tables and environment variables, in Python."""
