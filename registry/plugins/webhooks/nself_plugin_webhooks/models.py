"""What the API takes and gives."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, HttpUrl, StringConstraints

EventType = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$", max_length=200)]
Filter = Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9_]+\.)*([A-Za-z0-9_]+|\*)$", max_length=200)]
Status = Literal["queued", "retrying", "delivered", "dead"]


def _plain(url: HttpUrl) -> HttpUrl:
    if url.username or url.password:
        raise ValueError("an address with a password in it would stand in logs; endpoints check the signature")
    if url.fragment:
        raise ValueError("an address with a fragment cannot be called")
    return url


Address = Annotated[HttpUrl, AfterValidator(_plain)]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class EndpointIn(_Closed):
    url: Address
    description: Annotated[str, Field(max_length=500)] = ""
    events: list[Filter] = []
    """Types it wants: ``invoice.paid``, ``invoice.*``; empty for all."""


class EndpointChange(_Closed):
    url: Address | None = None
    description: Annotated[str, Field(max_length=500)] | None = None
    events: list[Filter] | None = None
    enabled: bool | None = None
    """Turned on again, an endpoint's count of failures starts anew."""


class EndpointOut(BaseModel):
    id: UUID
    url: str
    description: str
    events: list[str]
    enabled: bool
    disabled_reason: str
    failures: int
    created_at: datetime


class EndpointWithSecret(EndpointOut):
    """Given once, when the endpoint or its secret is made."""

    secret: str


class EventIn(_Closed):
    """An event to deliver. Sent again with the same ``id`` it is delivered once."""

    type: EventType
    data: dict[str, Any]
    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]{1,200}$")] | None = None


class EventOut(BaseModel):
    id: str
    type: str
    created_at: datetime
    deliveries: int
    """To how many endpoints it goes."""


class Attempt(BaseModel):
    http_status: int | None
    error: str
    response: str
    took_ms: int
    at: datetime


class DeliveryOut(BaseModel):
    id: UUID
    event_id: str
    event_type: str
    endpoint_id: UUID
    url: str
    status: Status
    attempts: int
    next_at: datetime | None
    http_status: int | None
    error: str
    created_at: datetime
    finished_at: datetime | None


class DeliveryDetail(DeliveryOut):
    payload: dict[str, Any]
    log: list[Attempt]


class DeliveryPage(BaseModel):
    """Newest first; ``next`` is the ``cursor`` of the following page."""

    deliveries: list[DeliveryOut]
    next: str | None
