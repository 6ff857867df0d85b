"""What a registry's folder records beside its metadata: who publishes, by which key, and what was taken back."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from hookspecs.models.base import Model
from hookspecs.models.catalogue import Publisher, RevokedKey, RevokedVersion


class PublisherRecord(Model):
    """A publisher of the registry."""

    key: str
    """Its public key, ``ed25519:…``, with which its plugins are signed."""
    vouched: bool = False
    """Whether the registry lists its wheels under its own keys, and no role of the publisher's own."""


class RegistryRecord(Model):
    """``registry.json`` of a registry's folder."""

    format: int = Field(default=1, ge=1, le=1)
    name: str
    catalogue_key: str
    """Public key of the publishing machine, which signs ``catalogue``, ``plugins`` and the bins."""
    labels: Mapping[str, str] = {}
    """Key id → what people call the key (``root-1``)."""
    publishers: Mapping[Publisher, PublisherRecord] = {}
    revoked_versions: tuple[RevokedVersion, ...] = ()
    revoked_keys: tuple[RevokedKey, ...] = ()
