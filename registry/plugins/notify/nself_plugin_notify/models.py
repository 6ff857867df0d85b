"""What the API takes and gives."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, HttpUrl, model_validator

from nself_plugin_notify.email import check_address

Channel = Literal["email", "webhook"]
Status = Literal["queued", "retrying", "sent", "failed", "suppressed"]
EmailAddress = Annotated[str, AfterValidator(check_address)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,99}$")]
Locale = Annotated[str, Field(pattern=r"^([a-z]{2,3}(-[A-Za-z0-9]{2,8})*)?$")]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Recipient(_Closed):
    """Exactly one of an address, an endpoint, or a user of the project (whose address and language are looked up)."""

    email: EmailAddress | None = None
    url: HttpUrl | None = None
    user_id: UUID | None = None

    @model_validator(mode="after")
    def _one(self) -> Recipient:
        if sum(value is not None for value in (self.email, self.url, self.user_id)) != 1:
            raise ValueError("give exactly one of email, url and user_id")
        return self


class Notification(_Closed):
    """A notification to send: from a template with ``data``, or with its content given."""

    to: Recipient
    template: Name | None = None
    locale: Locale | None = None
    """Language of the template; by default the user's, else the template without a language."""
    data: dict[str, Any] = {}
    subject: str = ""
    text: str = ""
    html: str = ""
    category: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    """What a user turns on and off; ``transactional`` (a password reset) is always sent. By default the template's."""
    send_at: datetime | None = None
    idempotency_key: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Sent again with the same key, the first notification is returned and nothing is sent twice."""

    @model_validator(mode="after")
    def _content(self) -> Notification:
        if self.template and (self.subject or self.text or self.html):
            raise ValueError("give a template or the content, not both")
        if not self.template and not (self.text or self.html):
            raise ValueError("give a template, or text or html")
        if self.send_at is not None and self.send_at.tzinfo is None:
            raise ValueError("send_at needs a time zone")
        if self.send_at is not None and not 1970 <= self.send_at.year <= 9998:  # the ends of the calendar are stored as infinite
            raise ValueError("send_at lies before 1970 or after 9998")
        return self


class Attempt(BaseModel):
    number: int
    outcome: Literal["sent", "retry", "failed"]
    detail: str
    took_ms: int
    at: datetime


class NotificationOut(BaseModel):
    """A notification as the log has it."""

    id: UUID
    user_id: UUID | None
    channel: Channel
    recipient: str
    category: str
    template: str | None
    subject: str
    status: Status
    attempts: int
    error: str
    send_at: datetime
    created_at: datetime
    sent_at: datetime | None


class NotificationDetail(NotificationOut):
    text: str
    html: str
    log: list[Attempt]


class NotificationPage(BaseModel):
    """Newest first; ``next`` is the ``cursor`` of the following page."""

    notifications: list[NotificationOut]
    next: str | None


class TemplateIn(_Closed):
    locale: Locale = ""
    category: Annotated[str, Field(min_length=1, max_length=100)] = "transactional"
    subject: Annotated[str, Field(max_length=1000)] = ""
    text: Annotated[str, Field(max_length=500_000)] = ""
    html: Annotated[str, Field(max_length=500_000)] = ""

    @model_validator(mode="after")
    def _content(self) -> TemplateIn:
        if not (self.text or self.html):
            raise ValueError("a template needs text or html")
        return self


class TemplateOut(BaseModel):
    name: str
    locale: str
    category: str
    subject: str
    text: str
    html: str
    version: int
    variables: list[str]
    updated_at: datetime


class Preview(_Closed):
    locale: Locale = ""
    data: dict[str, Any] = {}


class Filled(BaseModel):
    subject: str
    text: str
    html: str


class Preference(_Closed):
    category: Annotated[str, Field(min_length=1, max_length=100)] = "*"
    channel: Literal["*", "email", "webhook"] = "*"
    enabled: bool
