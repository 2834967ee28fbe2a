"""Images with regions for exporters, folders as sources for readers, and the law between the two."""

import io
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from hypothesis import Phase, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from labelwright.core import mask as masks
from labelwright.core.answer import Answers, Region, RegionAnswer
from labelwright.core.asset import Asset, Picture
from labelwright.core.errors import NotFound
from labelwright.core.ontology import Attribute, Label, Ontology, RegionQuestion, Skeleton
from labelwright.core.problem import Problem
from labelwright.core.shape import Box, Mask, Points, Polygon, Polyline, RotatedBox, Shape, Size
from labelwright.core.transfer import Incoming, Outgoing, resolve
from labelwright.formats import writer
from labelwright.formats.output import Exporting, Losses
from labelwright.formats.registry import open_images
from tests.formats.made import AT, annotation

SIZE = (60, 40)
LAW = settings(max_examples=40, deadline=None, phases=(Phase.explicit, Phase.generate))
"""Without shrinking: a whole export per example would take minutes to shrink, and its drawings are small already."""
ALL_KINDS = ("box", "rotated_box", "polygon", "polyline", "points", "mask")
FACE = Skeleton(points=("nose", "left eye", "right eye"), edges=((0, 1), (0, 2)))
LABELS = (
    Label(
        id="car",
        name="Car 🚗",
        attributes=(
            Attribute(id="occluded", name="occluded", type="boolean"),
            Attribute(id="colour", name="Colour", options=("red", "blue & <green>")),
            Attribute(id="doors", name="Doors", type="integer"),
            Attribute(id="plate", name="Plate", type="text"),
        ),
    ),
    Label(id="cat", name='Cat "x", y'),
    Label(id="face", name="face", skeleton=FACE),
)
OBJECTS = Ontology(
    version=1, questions=(RegionQuestion(id="things", name="Things", labels=LABELS, shapes=ALL_KINDS),)
)


class Folder:
    """A folder as a source of files."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def names(self) -> list[str]:
        return sorted(p.relative_to(self.path).as_posix() for p in self.path.rglob("*") if p.is_file())

    def open(self, name: str) -> BinaryIO:
        try:
            return (self.path / name).open("rb")
        except OSError:
            raise NotFound("no_file", f"no {name}") from None

    def dimensions(self, name: str) -> Size | None:
        try:
            with Image.open(self.path / name) as image:
                return ImageOps.exif_transpose(image).size
        except (OSError, ValueError):
            return None


def picture(size: Size = SIZE, orientation: int = 1, form: str = "PNG") -> bytes:
    """An image whose upright size is `size`."""
    stored = size if orientation < 5 else size[::-1]
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    Image.new("RGB", stored, (200, 30, 90)).save(out, form, exif=exif)
    return out.getvalue()


def put(folder: Path, files: dict[str, bytes | str]) -> Folder:
    """A source with these files."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return Folder(folder)


def shown(
    n: int, answers: Answers | None, *, name: str = "", size: Size = SIZE, by: str = "person", **more: Any
) -> Outgoing:
    """An image asset that somebody answered."""
    made = Asset(
        id=n, project_id=1, modality="image", sha256=f"{n:064d}", size=100, external_id=name or f"photo {n}.png",
        image=Picture(width=size[0], height=size[1], format="png", file_name=name or f"photo {n}.png"), **more,
    )  # fmt: skip
    given = (annotation(n, answers),) if answers is not None and by == "person" else ()
    return Outgoing(
        asset=made, annotations=given, prediction=None, gold=None, chosen=answers,
        chosen_by=by if answers is not None else None, updated_at=AT,  # type: ignore[arg-type]
    )  # fmt: skip


def marked(*regions: tuple[str, Shape] | Region, question: str = "things") -> Answers:
    """Answers to the region question."""
    made = [
        each if isinstance(each, Region) else Region(id=f"r{i}", label=each[0], shape=each[1])
        for i, each in enumerate(regions)
    ]
    return Answers.of({question: RegionAnswer(regions=tuple(made))})


def export(form: str, rows: list[Outgoing], folder: Path, ontology: Ontology = OBJECTS) -> Losses:
    """Write rows with their images; returns what was lost."""
    folder.mkdir(exist_ok=True)
    losses, originals = Losses(), folder.parent / f"{folder.name}-originals"
    originals.mkdir(exist_ok=True)

    def original(asset: Asset) -> Path:
        path = originals / asset.sha256
        if not path.exists():
            path.write_bytes(picture(asset.extent))  # type: ignore[arg-type]
        return path

    writer(form)(iter(rows), Exporting(ontology, folder, losses, original))
    return losses


def load(form: str, source: Folder | Path) -> tuple[list[Incoming], list[Problem]]:
    """(good rows, problems) of a source."""
    files = source if isinstance(source, Folder) else Folder(source)
    found = list(open_images(files, "source", form))
    return [e for e in found if isinstance(e, Incoming)], [e for e in found if isinstance(e, Problem)]


def regions_of(row: Incoming, ontology: Ontology = OBJECTS, size: Size = SIZE) -> tuple[Region, ...]:
    """The regions of a row as the project would take them; no problem is allowed."""
    regions: list[Region] = []
    for opinion in row.opinions:
        answers, _, problems = resolve(opinion, ontology, size)
        assert problems == []
        for _, answer in answers.items():
            if isinstance(answer, RegionAnswer):
                regions += answer.regions
    return tuple(regions)


# --- shapes at random -------------------------------------------------------------------------------------------

_eighths = st.integers(0, 8 * 30).map(lambda n: n / 8)


@st.composite
def shapes(draw: st.DrawFn, kinds: tuple[str, ...] = ALL_KINDS, size: Size = SIZE) -> Shape:
    """A shape inside the image."""
    width, height = size
    match draw(st.sampled_from(kinds)):
        case "box":
            x, y = draw(st.integers(0, width - 2)), draw(st.integers(0, height - 2))
            return Box(
                x=x, y=y, width=draw(st.integers(1, width - x)), height=draw(st.integers(1, height - y))
            )
        case "rotated_box":
            half = draw(st.integers(4, 10))
            x, y = draw(st.integers(half, width - half)), draw(st.integers(half, height - half))
            w = draw(st.integers(1, half))
            h = draw(st.integers(1, half))
            angle = draw(st.integers(-170, 350))
            return RotatedBox(x=x - w / 2, y=y - h / 2, width=w, height=h, angle_deg=angle)
        case "polygon":
            outer = ((2.0, 2.0), (30.5, 3.25), (28.0, 30.0), (1.0, 25.75))
            hole = ((8.0, 8.0), (8.0, 14.5), (14.25, 12.0))
            other = ((40.0, 10.0), (50.125, 11.0), (45.0, 30.0))
            return draw(st.sampled_from([
                Polygon(parts=((outer,),)), Polygon(parts=((outer, hole),)), Polygon(parts=((other,), (outer, hole))),
                Polygon(parts=((other,), (outer,))),
            ]))  # fmt: skip
        case "polyline":
            points = draw(st.lists(st.tuples(_eighths, _eighths), min_size=2, max_size=5, unique=True))
            return Polyline(points=tuple(points))
        case "points":
            points = draw(st.lists(st.tuples(_eighths, _eighths), min_size=3, max_size=3))
            seen = draw(st.lists(st.sampled_from([0, 1, 2]), min_size=3, max_size=3).filter(any))
            at = tuple(p if v else (0.0, 0.0) for p, v in zip(points, seen, strict=True))
            box = Box(x=0, y=0, width=40, height=35) if draw(st.booleans()) else None
            return Points(points=at, visibility=None if set(seen) == {2} else tuple(seen), box=box)
        case _:
            spots = draw(
                st.lists(
                    st.tuples(st.integers(0, 59), st.integers(0, 39), st.integers(1, 9)),
                    min_size=1,
                    max_size=5,
                )
            )
            pixels = np.zeros((height, width), dtype=bool)
            for x, y, side in spots:
                pixels[y : y + side, x : x + side] ^= True
            pixels[0, 0] |= not pixels.any()
            return masks.encode(pixels)


def same_pixels(one: Shape, other: Shape, size: Size = SIZE, share: float = 0.0) -> bool:
    """Whether two area shapes cover the same pixels, up to a share of the larger one (and one pixel for rounding)."""
    a, b = (masks.decode(masks.rasterise(each, size)) for each in (one, other))
    return bool((a ^ b).sum() <= share * max(a.sum(), b.sum()))


def close(one: Any, other: Any, tolerance: float = 1e-3) -> bool:
    """Whether two shapes are the same up to a rounding."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(close(one[k], other[k], tolerance) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(close(a, b, tolerance) for a, b in zip(one, other, strict=True))
    if isinstance(one, int | float) and not isinstance(one, bool) and isinstance(other, int | float):
        return abs(one - other) <= tolerance
    return bool(one == other)


def rings(shape: Polygon) -> list[list[tuple[float, float]]]:
    """The rings of a polygon whatever their order, beginning and direction."""

    def turned(ring: Any) -> list[tuple[float, float]]:
        both = [list(ring), list(ring)[::-1]]
        return min(each[i:] + each[:i] for each in both for i in range(len(each)))

    return sorted(
        turned([(round(x, 2), round(y, 2)) for x, y in ring]) for part in shape.parts for ring in part
    )


__all__ = ["Mask"]
