"""How a delivery ended, as the channels tell it."""

from __future__ import annotations


class TemporaryError(Exception):
    """Worth another try: the other side is away, busy or unsure."""


class PermanentError(Exception):
    """No further try will help: the recipient does not exist, or the message was refused."""
