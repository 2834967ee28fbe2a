"""One thing to label, and the stage it has reached."""

from typing import Literal

from pydantic import Field

from labelwright.core.flags import FlagKind
from labelwright.core.project import Modality
from labelwright.core.shape import Size
from labelwright.core.value import Probability, Value

Status = Literal["new", "predicted", "accepted", "in_progress", "labelled", "skipped"]
"""Derived by `workflow.status`: nothing yet; a model answered; its answer is accepted unseen, by rule; some people of several answered; enough people
answered; set aside by everybody who was asked."""

Metadata = dict[str, str | int | float | bool | None]


class Picture(Value):
    """What is known of an image besides its bytes.

    Attributes:
        width: Pixels after the EXIF orientation was applied; all coordinates are in these.
        height: Likewise.
        format: As decoded, whatever the file was called: `jpeg`, `png`, `tiff`...
        file_name: Where it lay in its import: relative, forward slashes.
        notes: What decoding had to change, in plain words, such as `16 bits per channel reduced to 8 for display`.
        levels: Zoom levels of its tile pyramid, each half the size of the next; 0 for an image shown whole.
    """

    width: int = Field(ge=1)
    height: int = Field(ge=1)
    format: str
    file_name: str = ""
    notes: tuple[str, ...] = ()
    levels: int = Field(default=0, ge=0)


class Asset(Value):
    """One text, image or video. Its content never changes.

    Attributes:
        external_id: The user's own key, unique in the project; None when the import had none.
        sha256: Hash of the content (for a text: of its UTF-8 bytes), hex.
        size: Code points of a text; bytes of an image.
        text: The content of a text asset; None where only the hot row was read.
        image: Of an image asset; None where only the hot row was read.
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
    image: Picture | None = None
    metadata: Metadata = Field(default_factory=dict)
    status: Status = "new"
    batch: int | None = None
    confidence: Probability | None = None
    flags: tuple[FlagKind, ...] | None = None

    @property
    def extent(self) -> int | Size:
        """What marks have to stay inside of: code points of a text, (width, height) of an image."""
        return self.size if self.image is None else (self.image.width, self.image.height)
