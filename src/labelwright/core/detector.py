"""A detector as a small file describes it: what a network takes, how its output is laid out, what its classes are called.

Hides the rules of a well-formed description and how classes become labels of a project. The numbers themselves are
worked out in `labelwright.detectors`; what comes back from there is `Seen`.
"""

import json
from collections import Counter
from datetime import datetime
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from labelwright.core.errors import Invalid
from labelwright.core.problem import Problem, excerpt
from labelwright.core.shape import Box, Mask, Polygon, RotatedBox
from labelwright.core.value import Name, Probability, Value

MAX_SPEC_CHARACTERS = 1_000_000
MAX_CLASSES = 25_000
MAX_SIDE = 8_192

Task = Literal["detect", "segment_instance", "segment_semantic", "classify"]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Marks = Literal["box", "rotated_box", "polygon", "mask"]
"""Kinds of shapes that objects can be marked with."""

Column = Literal["x0", "y0", "x1", "y1", "score", "class", "skip"]


def _fraction(value: Any) -> Any:
    """`1/255` as people write it."""
    if isinstance(value, str) and value.count("/") == 1:
        above, below = value.split("/")
        try:
            return float(above) / float(below)
        except (ValueError, ZeroDivisionError):
            return value
    return value


def _three(value: Any) -> Any:
    """One number for all three channels."""
    return (value,) * 3 if isinstance(value, int | float) and not isinstance(value, bool) else value


Three = Annotated[tuple[Finite, Finite, Finite], BeforeValidator(_three)]


class InputSpec(Value):
    """What the network is given: `(pixel * scale - mean) / std`, in the order of `colour`.

    Attributes:
        name: Of the input; empty for the only one there is.
        size: (width, height) in pixels; None for what the model file declares.
        layout: Order of the axes; without N the network takes one picture and no batch axis.
        resize: `letterbox` keeps the proportions and pads, `stretch` does not, `none` gives the picture as it is.
        pad: Colour of the padding, in the order of `colour`, 0 to 255.
        position: Where the picture lies in its padding.
        colour: Order of the channels.
        scale: Factor before `mean` and `std`; may be written as `1/255`.
        dtype: Type of the numbers; `auto` for what the model file declares.
        batch: Pictures per call, where the model leaves its first axis open.
    """

    name: str = Field(default="", max_length=200)
    size: tuple[int, int] | None = None
    layout: Literal["NCHW", "NHWC", "CHW", "HWC"] = "NCHW"
    resize: Literal["letterbox", "stretch", "none"] = "letterbox"
    pad: Three = (114.0, 114.0, 114.0)
    position: Literal["centre", "top_left"] = "centre"
    colour: Literal["RGB", "BGR"] = "RGB"
    scale: Annotated[Finite, BeforeValidator(_fraction)] = 1 / 255
    mean: Three = (0.0, 0.0, 0.0)
    std: Three = (1.0, 1.0, 1.0)
    dtype: Literal["auto", "float32", "float16", "uint8"] = "auto"
    batch: int = Field(default=1, ge=1, le=64)

    @model_validator(mode="after")
    def _is_well_formed(self) -> Self:
        if self.size is not None and not all(1 <= side <= MAX_SIDE for side in self.size):
            raise ValueError(f"size is (width, height), each 1 to {MAX_SIDE}")
        if 0 in self.std:
            raise ValueError("std divides, so it cannot be 0")
        if not all(0 <= channel <= 255 for channel in self.pad):
            raise ValueError("pad is a colour: 0 to 255")
        if self.resize == "none" and (self.size is not None or self.batch != 1):
            raise ValueError("with resize: none there is no size, and one picture per call")
        return self


class Yolo(Value):
    """One output of the YOLO family: a row per candidate of 4 box numbers and a score per class.

    Attributes:
        output: Its name; empty for the only one there is.
        version: `v8` (v8 to v12): (batch, 4 + classes, candidates); `v5` (v5, v7): (batch, candidates, 5 + classes), where the
            fifth number says that there is an object at all and multiplies the class scores.
        box: How the four numbers are meant.
        normalised: Whether they are shares of the input's size; else pixels of it.
        masks: Of a segmenting export the output with the prototypes, (batch, coefficients, height, width); each row then
            ends with so many coefficients more.
        nms_iou: Of two boxes of a class that overlap more than this the less sure one goes; null keeps both.
    """

    layout: Literal["yolo"] = "yolo"
    output: str = Field(default="", max_length=200)
    version: Literal["v5", "v8"] = "v8"
    box: Literal["cxcywh", "xyxy"] = "cxcywh"
    normalised: bool = False
    activation: Literal["none", "sigmoid"] = "none"
    masks: str = Field(default="", max_length=200)
    nms_iou: Probability | None = 0.5


class BoxesScoresClasses(Value):
    """Boxes, scores and classes as outputs of their own: torchvision, TensorFlow, SSD, DETR.

    Attributes:
        boxes: Output (batch, objects, 4).
        scores: Output (batch, objects), or per class (batch, objects, classes) or (batch, classes, objects).
        classes: Output (batch, objects) with the number of each object's class; empty when `scores` are per class.
        count: Output that says how many of the objects count; empty for all.
        masks: Output (batch, objects, 1, height, width) with a probability per pixel of the input; empty for none.
        box: How the four numbers of a box are meant.
        normalised: Whether they are shares of the input's size; else pixels of it.
        activation: What makes probabilities of `scores`.
        background: Number of the class that means nothing is there: a number, `last`, or null.
        class_offset: Added to the numbers of `classes` (TensorFlow counts from 1 where a list of names counts from 0: -1).
    """

    layout: Literal["boxes_scores_classes"] = "boxes_scores_classes"
    boxes: str = Field(default="boxes", max_length=200)
    scores: str = Field(default="scores", max_length=200)
    classes: str = Field(default="", max_length=200)
    count: str = Field(default="", max_length=200)
    masks: str = Field(default="", max_length=200)
    box: Literal["xyxy", "xywh", "cxcywh", "yxyx"] = "xyxy"
    normalised: bool = False
    activation: Literal["none", "sigmoid", "softmax"] = "none"
    background: int | Literal["last"] | None = None
    class_offset: int = 0
    nms_iou: Probability | None = None


class Rows(Value):
    """One output with finished objects, a row each: exports that end with their own suppression.

    Attributes:
        columns: What each number of a row is, in order.
    """

    layout: Literal["rows"] = "rows"
    output: str = Field(default="", max_length=200)
    columns: tuple[Column, ...] = Field(default=("x0", "y0", "x1", "y1", "score", "class"), max_length=20)
    normalised: bool = False
    nms_iou: Probability | None = None

    @field_validator("columns")
    @classmethod
    def _has_all(cls, columns: tuple[Column, ...]) -> tuple[Column, ...]:
        wanted = Counter(("x0", "y0", "x1", "y1", "score", "class"))
        if Counter(each for each in columns if each != "skip") != wanted:
            raise ValueError(f"columns name each of {', '.join(wanted)} once, and skip what is left")
        return columns


class Gfl(Value):
    """Per cell of a grid a score per class and a distribution of the distance to each side: PicoDet, NanoDet.

    A distance is the expectation over `reg_max + 1` bins, times the stride.
    Source: Li et al., Generalized Focal Loss, NeurIPS 2020, section 3.

    Attributes:
        scores: Outputs (batch, cells, classes), one per stride; found by their shapes when nothing is named.
        distances: Outputs (batch, cells, 4 * (reg_max + 1)), likewise.
        output: The one output (batch, cells, classes + 4 * (reg_max + 1)) of exports that join them; likewise.
        strides: Pixels per cell, in the order of the outputs.
        cell_offset: Where in its cell a box is measured from: 0.5 its middle (PicoDet), 0 its corner (NanoDet-Plus).
        activation: `auto` applies the sigmoid if some value is outside [0, 1].
    """

    layout: Literal["gfl"] = "gfl"
    scores: tuple[str, ...] = Field(default=(), max_length=10)
    distances: tuple[str, ...] = Field(default=(), max_length=10)
    output: str = Field(default="", max_length=200)
    strides: tuple[Annotated[int, Field(ge=1, le=1_024)], ...] = Field(default=(8, 16, 32, 64), min_length=1)
    reg_max: int = Field(default=7, ge=1, le=64)
    cell_offset: float = Field(default=0.5, ge=0, le=1)
    activation: Literal["auto", "none", "sigmoid"] = "auto"
    nms_iou: Probability | None = 0.6

    @model_validator(mode="after")
    def _has_outputs(self) -> Self:
        n, named = len(self.strides), self.scores + self.distances
        if self.output and named:
            raise ValueError("name either scores and distances, or the one output that joins them")
        if named and not len(self.scores) == len(self.distances) == n:
            raise ValueError(f"{n} strides want {n} scores and {n} distances")
        return self


class LogitsMap(Value):
    """A score per class and pixel: semantic segmentation.

    Attributes:
        output: (batch, classes, height, width), or (batch, height, width, classes); its size may differ from the input's.
        axis: Where the classes are.
        activation: What makes probabilities of the scores.
        threshold: A pixel belongs to every class whose probability reaches it; null for the most probable class alone.
        background: Class that is not marked; null when every class is.
        per: A region for each connected part, or one for each class.
        shape: How a region is marked, where the question allows both.
        min_area_px2: Smaller regions are left out, in pixels of the original image.
        simplify_px: How far the outline of a polygon may leave that of its pixels.
    """

    layout: Literal["logits_map"] = "logits_map"
    output: str = Field(default="", max_length=200)
    axis: Literal["channels_first", "channels_last"] = "channels_first"
    activation: Literal["softmax", "sigmoid", "none"] = "softmax"
    threshold: Probability | None = None
    background: int | None = 0
    per: Literal["component", "class"] = "component"
    shape: Literal["mask", "polygon"] = "mask"
    min_area_px2: float = Field(default=64, ge=0, allow_inf_nan=False)
    simplify_px: float = Field(default=1.0, ge=0, le=100)


class Scores(Value):
    """A score per class for the whole picture: classification."""

    layout: Literal["scores"] = "scores"
    output: str = Field(default="", max_length=200)
    activation: Literal["softmax", "sigmoid", "none"] = "softmax"


Output = Annotated[Yolo | BoxesScoresClasses | Rows | Gfl | LogitsMap | Scores, Field(discriminator="layout")]

_LAYOUTS_OF: dict[Task, tuple[str, ...]] = {
    "detect": ("yolo", "boxes_scores_classes", "rows", "gfl"),
    "segment_instance": ("yolo", "boxes_scores_classes"),
    "segment_semantic": ("logits_map",),
    "classify": ("scores",),
}


class DetectorSpec(Value):
    """How a model file is used. See docs/guides/detectors.md.

    Attributes:
        name: What it is called here.
        model: File name of the model beside this description, for the command line.
        classes: Names in the order of the network's outputs, or number -> name; empty for those the model file carries.
        score_threshold: Objects below this are left out.
        max_objects: The surest ones up to this number are kept.
    """

    name: Name
    task: Task = "detect"
    model: str = Field(default="", max_length=500)
    input: InputSpec = InputSpec()
    output: Output = Yolo()
    classes: dict[Annotated[int, Field(ge=0, lt=MAX_CLASSES)], Name] = Field(
        default_factory=dict, max_length=MAX_CLASSES
    )
    score_threshold: Probability = 0.25
    max_objects: int = Field(default=300, ge=1, le=5_000)

    @field_validator("model")
    @classmethod
    def _lies_beside(cls, model: str) -> str:
        if "/" in model or "\\" in model:
            raise ValueError("model is the name of a file beside the description, no path")
        return model

    @field_validator("classes", mode="before")
    @classmethod
    def _numbered(cls, value: Any) -> Any:
        if isinstance(value, list | tuple):
            value = dict(enumerate(value))
        if not isinstance(value, dict):
            raise ValueError("classes are a list of names, or number: name")
        for number, name in value.items():
            if isinstance(name, bool) or name is None:
                raise ValueError(
                    f"class {number}: put {str(name).lower()!r} in quotes, YAML reads it as no text"
                )
        return {
            number: str(name) if isinstance(name, int | float) else name for number, name in value.items()
        }

    @model_validator(mode="after")
    def _task_fits(self) -> Self:
        allowed = _LAYOUTS_OF[self.task]
        if self.output.layout not in allowed:
            raise ValueError(
                f"task {self.task} reads layout {' or '.join(allowed)}, not {self.output.layout}"
            )
        if (self.task == "segment_instance") != bool(getattr(self.output, "masks", "")):
            raise ValueError("task segment_instance names the output with the masks, and no other task does")
        return self

    @property
    def n_classes(self) -> int:
        """How many scores per candidate the network gives, where they are counted."""
        return max(self.classes, default=-1) + 1

    @property
    def marks(self) -> Marks:
        """What the network itself gives."""
        if isinstance(self.output, LogitsMap):
            return self.output.shape
        return "mask" if self.task == "segment_instance" else "box"

    @property
    def background(self) -> int | None:
        """The class that means that nothing is there."""
        if isinstance(self.output, BoxesScoresClasses | LogitsMap):
            return self.n_classes - 1 if self.output.background == "last" else self.output.background
        return None


def parse_spec(text: str) -> DetectorSpec:
    """A description from its YAML (or JSON).

    Raises:
        Invalid: It cannot be read; each problem names its place.
    """
    if len(text) > MAX_SPEC_CHARACTERS:
        raise Invalid(
            "bad_spec", f"a description of a detector has at most {MAX_SPEC_CHARACTERS:,} characters"
        )
    try:
        # Aliases can stand for exponentially much.
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text, Loader=yaml.SafeLoader)):
            raise Invalid("bad_spec", "the description uses aliases (*name)", "write them out")
        body = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        message = excerpt(str(error).replace("\n", " "), 300)
        raise Invalid("bad_spec", f"the description is no YAML: {message}") from None
    if not isinstance(body, dict):
        raise Invalid(
            "bad_spec", "the description of a detector is a mapping", "begin with name: my detector"
        )
    return spec_of(body)


def spec_of(body: dict[Any, Any]) -> DetectorSpec:
    """A description from its fields.

    Raises:
        Invalid: Each problem names its place.
    """
    try:
        return DetectorSpec.model_validate(body)
    except ValidationError as error:
        problems = [
            Problem(
                where="/".join(map(str, each["loc"])) or "detector",
                code="bad_spec",
                message=f"{each['msg'].removeprefix('Value error, ')}"
                + ("" if each["type"] in ("missing", "value_error") else f", got {excerpt(each['input'])}"),
            )
            for each in error.errors()[:50]
        ]
        raise Invalid(
            "bad_spec", f"the description of the detector has {len(problems)} mistakes",
            "see docs/guides/detectors.md", problems=problems,
        ) from None  # fmt: skip


class Port(Value):
    """An input or output of a network; axes of open length are -1."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        axes = ", ".join("?" if axis < 0 else str(axis) for axis in self.shape)
        return f"{self.dtype} ({axes})"


class Signature(Value):
    """What a model file says of itself.

    Attributes:
        names: Class number -> name, where its metadata has them.
        runs_on: What carries it out: `CPU`, `CUDA`...
    """

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    names: dict[int, str] = Field(default_factory=dict)
    runs_on: str = "CPU"

    @property
    def lines(self) -> tuple[Problem, ...]:
        """What is there, for a message that says what does not fit."""
        sides = (("input", self.inputs), ("output", self.outputs))
        return tuple(
            Problem(where=f"{side} {port.name}"[:200], code="is_there", message=str(port))
            for side, ports in sides
            for port in ports[:30]
        )


class Found(Value):
    """One object, in pixels of the upright original image."""

    class_number: int
    score: Probability
    shape: Annotated[Box | RotatedBox | Polygon | Mask, Field(discriminator="kind")]


class Seen(Value):
    """What a detector made of one picture.

    Attributes:
        objects: Surest first.
        scores: Class number -> probability, of a classifier.
        cut: Objects beyond `max_objects` that were left out.
        latency_s: From the pixels to this.
        error: Why there is nothing, when there is nothing.
    """

    objects: tuple[Found, ...] = ()
    scores: dict[int, Probability] | None = None
    cut: int = 0
    latency_s: float = 0.0
    error: str = ""


class Detector(Value):
    """A model file with its description, as this installation keeps it. Never changes.

    Attributes:
        model_sha256: Of the model file.
    """

    id: int
    name: str
    model_sha256: str
    size_bytes: int
    spec: DetectorSpec
    signature: Signature
    created_at: datetime

    @property
    def spec_sha256(self) -> str:
        """Identity of the description: hash of its canonical JSON."""
        return spec_hash(self.spec)


def spec_hash(spec: DetectorSpec) -> str:
    """Identity of a description: hash of its canonical JSON."""
    import hashlib

    body = json.dumps(spec.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(body.encode()).hexdigest()
