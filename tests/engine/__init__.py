"""Tests of the GraphQL engine."""
