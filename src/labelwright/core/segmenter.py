"""Promptable segmentation: points and boxes in, a few candidate masks out.

The picture is embedded once; every prompt after that is cheap. Nothing here knows a network: `labelwright.segmenters`
carries it out. All coordinates are pixels of the upright original image.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from labelwright.core.detector import Signature
from labelwright.core.shape import Box, Mask
from labelwright.core.value import Name, Probability, Value

MAX_POINTS = 200
MAX_CANDIDATES = 3

Finite = Annotated[float, Field(allow_inf_nan=False)]

Family = Literal["classical", "sam", "efficient_sam", "sam2"]
"""How a model is talked to. `classical`: image processing without weights, always there. `sam`: the public export of SAM,
MobileSAM, EdgeSAM, SlimSAM and their kin; `efficient_sam` and `sam2` differ in names and in what an embedding is."""


class PromptPoint(Value):
    """A place that belongs to the object, or does not."""

    x: Finite
    y: Finite
    include: bool = True


class SegmentPrompt(Value):
    """What a person said about one object, from the first click to the last: no state is kept between two prompts.

    Attributes:
        points: In the order they were set.
        box: Around the object.
        start: A mask to begin with: that of an existing region.
        view: What the person sees of the image, where that helps to guess the object's scale.
    """

    points: tuple[PromptPoint, ...] = Field(default=(), max_length=MAX_POINTS)
    box: Box | None = None
    start: Mask | None = None
    view: Box | None = None


class Candidate(Value):
    """One possible object.

    Attributes:
        mask: Of the size of the whole image.
        score: How good the segmenter thinks it is; not calibrated.
    """

    mask: Mask
    score: Probability


class Segmented(Value):
    """The answer to one prompt: at most three candidates, best first.

    Attributes:
        embedded: Whether the picture had to be embedded for it; False when the embedding was there.
        embed_ms: Time for that, 0 when it was there.
        decode_ms: Time of the prompt itself.
        encode_ms: Time to make masks of the answer.
    """

    candidates: tuple[Candidate, ...] = Field(max_length=MAX_CANDIDATES)
    embedded: bool = False
    embed_ms: float = 0.0
    decode_ms: float = 0.0
    encode_ms: float = 0.0


class Segmenter(Value):
    """A segmenter of this installation. Never changes.

    Attributes:
        id: 0 for the one without weights that is always there.
        encoder_sha256: Of the model file that embeds; empty without weights.
        decoder_sha256: Of the one that answers prompts.
        side: Longest side of the picture the encoder takes, in pixels.
        encoder: What the encoder's file says of itself.
        decoder: The decoder's.
    """

    id: int
    name: Name
    family: Family
    encoder_sha256: str = ""
    decoder_sha256: str = ""
    size_bytes: int = 0
    side: int = 1_024
    encoder: Signature | None = None
    decoder: Signature | None = None
    created_at: datetime | None = None
