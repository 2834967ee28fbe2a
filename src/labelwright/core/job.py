"""Background work: an import, an export, a model run, a training, an acceptance."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from labelwright.core.value import Value

JobKind = Literal["import", "export", "predict", "learn", "accept"]
JobState = Literal["queued", "running", "done", "failed", "cancelled"]


class Job(Value):
    """One piece of background work. `cursor` says where it goes on after a restart.

    Attributes:
        done: Finished units (rows, assets); `total` is None while unknown.
        report: What came of it, by kind.
    """

    id: int
    project_id: int | None
    kind: JobKind
    state: JobState
    params: dict[str, Any] = Field(default_factory=dict)
    cursor: dict[str, Any] = Field(default_factory=dict)
    done: int = 0
    total: int | None = None
    message: str = ""
    report: dict[str, Any] = Field(default_factory=dict)
    cancel_wanted: bool = False
    attempts: int = 0
    created_by: int | None = None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
