"""Webhooks of the Host: taken in (verified, stored, handled from the queue) and sent out."""

from __future__ import annotations

from .endpoint import Intake, Source, intake, secrets_of
from .handling import webhook_tasks
from .outbound import Outbound
from .records import Events

__all__ = ["Events", "Intake", "Outbound", "Source", "intake", "secrets_of", "webhook_tasks"]
