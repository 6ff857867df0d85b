"""Licences for paid plugins: signed tokens, verified offline."""
