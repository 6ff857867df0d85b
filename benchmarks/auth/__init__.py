"""Benchmarks of the auth server."""
