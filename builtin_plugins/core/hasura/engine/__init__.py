"""A GraphQL engine that speaks the Hasura v2 HTTP API, for runtimes without containers and as an image."""
