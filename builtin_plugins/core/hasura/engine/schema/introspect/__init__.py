"""The role's schema as graphql-core types, built only when someone introspects; each module adds a layer of types."""
