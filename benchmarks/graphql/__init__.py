"""GraphQL benchmarks."""
