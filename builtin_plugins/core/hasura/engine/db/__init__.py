"""Connections, prepared statements and what the catalogue of PostgreSQL knows."""
