"""What the API takes and gives."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, HttpUrl, StringConstraints, model_validator

from nself_plugin_cron import schedule

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,99}$")]


def _headers(value: dict[str, str]) -> dict[str, str]:
    for name, text in value.items():
        if not name.replace("-", "").isalnum() or not name.isascii():
            raise ValueError(f"{name!r} is no header name")
        if any(ord(sign) < 32 or ord(sign) == 127 for sign in text):
            raise ValueError(f"the value of {name} has a control character")
        if name.lower() in {"host", "content-length", "transfer-encoding", "connection"}:
            raise ValueError(f"{name} is set by the client itself")
    return value


class JobIn(BaseModel):
    """A schedule and the call it makes."""

    model_config = ConfigDict(extra="forbid")

    schedule: str
    """Five cron fields, or ``@hourly`` and the like."""
    timezone: str = "UTC"
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    url: HttpUrl
    headers: Annotated[dict[str, str], AfterValidator(_headers)] = {}
    body: Annotated[str, Field(max_length=1_000_000)] | None = None
    timeout_seconds: Annotated[int, Field(ge=1, le=3600)] | None = None
    retries: Annotated[int, Field(ge=0, le=10)] = 0
    overlap: bool = False
    """Whether a run may start while the one before is under way; else it is skipped."""
    missed: Literal["skip", "once"] = "skip"
    """What happens to runs missed in an outage: nothing, or one run for all of them."""
    paused: bool = False

    @model_validator(mode="after")
    def _comes(self) -> JobIn:
        schedule.check(self.schedule, self.timezone)
        if self.body is not None and self.method == "GET":
            raise ValueError("a GET has no body")
        return self


class JobOut(BaseModel):
    name: str
    schedule: str
    timezone: str
    method: str
    url: str
    headers: dict[str, str]
    body: str | None
    timeout_seconds: int | None
    retries: int
    overlap: bool
    missed: str
    paused: bool
    next_run_at: datetime | None
    last_status: str | None = None
    last_run_at: datetime | None = None


class RunOut(BaseModel):
    id: UUID
    job: str
    cause: Literal["schedule", "manual"]
    scheduled_for: datetime
    status: Literal["queued", "running", "succeeded", "failed", "missed", "skipped"]
    attempt: int
    http_status: int | None
    detail: str
    response: str
    started_at: datetime | None
    finished_at: datetime | None
