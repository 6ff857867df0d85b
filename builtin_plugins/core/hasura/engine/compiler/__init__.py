"""From a GraphQL operation to SQL statements with parameters."""
