"""One thing to label, and the stage it has reached."""

from typing import Literal

from pydantic import Field

from labelwright.core.flags import FlagKind
from labelwright.core.project import Modality
from labelwright.core.value import Probability, Value

Status = Literal["new", "predicted", "accepted", "in_progress", "labelled", "skipped"]
"""Derived by `workflow.status`: nothing yet; a model answered; its answer is accepted unseen, by rule; some people of several answered; enough people
answered; set aside by everybody who was asked."""

Metadata = dict[str, str | int | float | bool | None]


class Asset(Value):
    """One text, image or video. Its content never changes.

    Attributes:
        external_id: The user's own key, unique in the project; None when the import had none.
        sha256: Hash of the content (for a text: of its UTF-8 bytes), hex.
        size: Code points of a text.
        text: The content of a text asset; None where only the hot row was read.
        metadata: Other columns of the import.
        batch: Number of the batch it was last predicted in.
        flags: Why it deserves a second look (`core.flags`); empty when nothing was found, None when nobody looked yet.
        confidence: Lowest confidence over the questions of the current prediction; None without one.
    """

    id: int
    project_id: int
    modality: Modality = "text"
    external_id: str | None = Field(default=None, max_length=500)
    sha256: str
    size: int
    text: str | None = None
    metadata: Metadata = Field(default_factory=dict)
    status: Status = "new"
    batch: int | None = None
    confidence: Probability | None = None
    flags: tuple[FlagKind, ...] | None = None
