"""What the API takes and gives."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, JsonValue, StringConstraints, model_validator

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,99}$")]
State = Literal["waiting", "held", "done", "dead", "cancelled"]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class JobIn(_Closed):
    """A job to enqueue; ``delay`` (seconds) or ``run_at`` puts it off."""

    type: Annotated[str, Field(max_length=200)] = ""
    payload: dict[str, Any] = {}
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0
    delay: Annotated[float, Field(ge=0, le=31_536_000)] = 0
    run_at: datetime | None = None
    unique_key: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """While a job of the queue with this key is not over, no second one is made."""

    @model_validator(mode="after")
    def _one(self) -> JobIn:
        if self.run_at is not None and self.delay:
            raise ValueError("give delay or run_at, not both")
        if self.run_at is not None and self.run_at.tzinfo is None:
            raise ValueError("run_at needs a time zone")
        if self.run_at is not None and not 1970 <= self.run_at.year <= 9998:  # the ends of the calendar are stored as infinite
            raise ValueError("run_at lies before 1970 or after 9998")
        return self


class JobOut(BaseModel):
    id: int
    queue: str
    type: str
    payload: dict[str, Any]
    priority: int
    state: State
    run_at: datetime
    attempts: int
    max_attempts: int
    unique_key: str | None
    worker: str
    leased_until: datetime | None
    result: JsonValue
    error: str
    created_at: datetime
    finished_at: datetime | None


class HeldJob(JobOut):
    """A job in a worker's hands; ``lease`` proves it."""

    lease: UUID


class LeaseIn(_Closed):
    count: Annotated[int, Field(ge=1, le=100)] = 1
    seconds: Annotated[int, Field(ge=5, le=86_400)] | None = None
    """How long the worker may be silent."""
    worker: Annotated[str, Field(max_length=200)] = ""
    types: list[str] = []
    wait: Annotated[int, Field(ge=0, le=30)] = 0
    """Seconds to wait for a job where none is there (long polling)."""


class Done(_Closed):
    lease: UUID
    result: JsonValue = None


class Failed(_Closed):
    lease: UUID
    error: Annotated[str, Field(max_length=2000)]
    final: bool = False
    """No further try: straight to the dead letters."""
    delay: Annotated[int, Field(ge=0, le=86_400)] | None = None
    """Seconds until the next try, in place of the queue's own growing delay."""


class Extend(_Closed):
    lease: UUID
    seconds: Annotated[int, Field(ge=5, le=86_400)]


class QueueIn(_Closed):
    paused: bool = False
    max_attempts: Annotated[int, Field(ge=1, le=100)] | None = None
    backoff_seconds: Annotated[int, Field(ge=0, le=86_400)] = 5
    concurrency: Annotated[int, Field(ge=1)] | None = None
    push_url: HttpUrl | None = None


class QueueOut(BaseModel):
    name: str
    paused: bool
    max_attempts: int
    backoff_seconds: int
    concurrency: int | None
    push_url: str | None
    waiting: int
    delayed: int
    held: int
    dead: int
    oldest_seconds: float | None
    """How long the oldest due job has waited."""


class ScheduleIn(_Closed):
    queue: Name
    schedule: str
    """A cron expression of five fields, in UTC."""
    type: Annotated[str, Field(max_length=200)] = ""
    payload: dict[str, Any] = {}
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0


class ScheduleOut(ScheduleIn):
    name: str
    next_run_at: datetime
