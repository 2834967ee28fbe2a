"""A person's answers, and what surrounds them: drafts, leases, skips, history."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from labelwright.core.answer import Answers
from labelwright.core.arms import Arm
from labelwright.core.value import Id, Value


class ActiveTime(Value):
    """How long the person worked, as the browser saw it, in milliseconds; waiting for the system is kept apart."""

    active_ms: int = Field(default=0, ge=0)
    idle_ms: int = Field(default=0, ge=0)
    wait_ms: int = Field(default=0, ge=0)


class Annotation(Value):
    """A person's answers for an asset. Immutable: a correction is a new version with a parent.

    Attributes:
        id: Made by the client (a UUID), so that sending it twice stores it once.
        prediction_id: The prediction it corrects or confirms, if one was shown.
        parent_id: The annotation it replaces, if any.
        arm: Whether a suggestion was `shown` or `hidden`, where that was drawn at random; None outside of the experiment.
        taken_back: True once its author took it back; it then no longer counts.
    """

    id: Id
    asset_id: int
    author_id: int
    author_name: str = ""
    ontology_version: int
    answers: Answers
    prediction_id: int | None = None
    parent_id: Id | None = None
    time: ActiveTime = ActiveTime()
    arm: Arm | None = None
    taken_back: bool = False
    created_at: datetime


class Draft(Value):
    """Unsubmitted work of one person on one asset. `revision` grows with each save; an older one never replaces a newer."""

    asset_id: int
    answers: Answers
    prediction_id: int | None = None
    revision: int = Field(default=0, ge=0)
    updated_at: datetime | None = None


class Lease(Value):
    """An asset reserved for a person until a time (UTC)."""

    asset_id: int
    user_id: int
    until: datetime


class Skip(Value):
    """An asset set aside by a person."""

    asset_id: int
    user_id: int
    reason: str = Field(default="", max_length=2_000)


EventKind = Literal[
    "project_created", "settings_changed", "ontology_changed", "knowledge_added", "imported", "predicted", "submitted", "taken_back",
    "skipped", "unskipped", "released", "gold_marked", "gold_unmarked", "draft_saved", "run_created", "run_state", "learned", "exported", "member_changed", "provider_changed",
    "template_changed", "definition_drafted", "detector_changed", "trashed", "restored", "audits_drawn", "accepted", "reverted", "promise_broken",
]  # fmt: skip


class Event(Value):
    """One line of the append-only history."""

    id: int
    at: datetime
    project_id: int | None
    asset_id: int | None = None
    user_id: int | None = None
    kind: EventKind
    body: dict[str, str | int | float | bool | None] = Field(default_factory=dict)
