"""What every reader of image formats needs: which image a label file means, files held whole, plain images.

Hides that label files name their images by path, by name, or by name without ending, relative to folders that may
have been moved.
"""

import json
import re
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from labelwright.core.answer import Region, RegionAnswer
from labelwright.core.errors import Invalid, NotFound
from labelwright.core.ontology import Label, RegionQuestion
from labelwright.core.ports import Files
from labelwright.core.problem import Problem, excerpt
from labelwright.core.regions import check_regions, mend
from labelwright.core.shape import Shape, ShapeKind, Size
from labelwright.core.transfer import Incoming

ENDINGS = frozenset(
    [
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".webp",
        ".bmp",
        ".dib",
        ".tif",
        ".tiff",
        ".gif",
        ".heic",
        ".heif",
        ".avif",
        ".ppm",
        ".pgm",
        ".pbm",
        ".jp2",
    ]
)
MAX_LABEL_BYTES = 2**30
"""A label file that is read whole: COCO's largest own one has 450 MB."""
MAX_NAMESAKES = 100
"""Images of one name that a label file could mean; of more, none is chosen."""


def is_image(name: str) -> bool:
    """Whether a file is an image by its name; hidden files and what archivers add are none."""
    return PurePosixPath(name).suffix.lower() in ENDINGS and not is_hidden(name)


def is_hidden(name: str) -> bool:
    """Whether a file is one that no person put there: of the system, of an archiver, or what our exports say of themselves."""
    return name.rsplit("/", 1)[-1] in ("manifest.json", "loss_report.json") or any(
        part.startswith(".") or part == "__MACOSX" for part in name.split("/")
    )


class Images:
    """The images of a source by what label files call them."""

    def __init__(self, files: Files, but: Collection[str] = ()) -> None:
        """Index the images of a source.

        Args:
            files: The source.
            but: Names that are no photos: masks are images too.
        """
        self.names = [name for name in files.names() if name not in but and is_image(name)]
        self._exact = set(self.names)
        self._by_tail: dict[str, str | list[str]] = {}
        for name in self.names:
            parts = PurePosixPath(name).parts
            for i in range(max(len(parts) - 4, 0), len(parts)):
                tail = "/".join(parts[i:])
                for key in {tail, str(PurePosixPath(tail).with_suffix(""))}:
                    known = self._by_tail.setdefault(key, name)
                    if isinstance(known, list):
                        known.append(name)
                    elif known != name:
                        self._by_tail[key] = [known, name]

    def find(self, named: str, beside: str = "") -> str | None:
        """The image that a label file means; None when there is none, or when several could be meant.

        Args:
            named: As the label file says it: a path, a name, or a name without its ending.
            beside: Name of the label file: of several images the one nearest to it is meant.
        """
        wanted = PurePosixPath(named.replace("\\", "/"))
        parts = [part for part in wanted.parts if part not in ("/", ".", "..")]
        if not parts:
            return None
        near = str(PurePosixPath(beside).parent / "/".join(parts)) if beside else ""
        if near in self._exact:
            return near
        # The longest tail that is known says most: `train/images/a.jpg` before `a.jpg`.
        for i in range(max(len(parts) - 4, 0), len(parts)):
            found = self._by_tail.get("/".join(parts[i:]))
            if found is not None:
                return found if isinstance(found, str) else _nearest(found, beside)
        return None


def _nearest(names: list[str], beside: str) -> str | None:
    """The only one of these in the same folder as a file, or in the same folder further up; None when there are several."""
    for folder in PurePosixPath(beside).parents if len(names) <= MAX_NAMESAKES else ():
        inside = [name for name in names if PurePosixPath(name).is_relative_to(folder)]
        if inside:
            return inside[0] if len(inside) == 1 else None
    return None


def read_bytes(files: Files, name: str, limit: int = MAX_LABEL_BYTES) -> bytes:
    """A label file whole.

    Raises:
        Invalid: It is larger than the limit, or cannot be read.
    """
    try:
        with files.open(name) as file:
            content = file.read(limit + 1)
    except NotFound as error:
        raise Invalid("bad_file", f"{excerpt(name)} cannot be read: {error.message}") from None
    if len(content) > limit:
        raise Invalid("file_too_large", f"{excerpt(name)} is larger than {limit / 2**20:.0f} MiB")
    return content


def read_head(files: Files, name: str, size: int = 65_536) -> str:
    """The beginning of a file as text, for a look at what it is; empty when it cannot be read."""
    try:
        with files.open(name) as file:
            return file.read(size).decode("utf-8", errors="replace").lstrip("\ufeff \r\n\t")
    except (NotFound, OSError):
        return ""


def read_json(files: Files, name: str) -> Any:
    """A JSON file whole. NaN and infinity come as such: what holds them is refused piece by piece.

    Raises:
        Invalid: Not UTF-8, not JSON, nested too deep, too large.
    """
    content = read_bytes(files, name)
    try:
        return json.loads(content.decode("utf-8-sig"))
    except RecursionError:
        raise Invalid("bad_json", f"{excerpt(name)} is nested too deep") from None
    except ValueError as error:
        raise Invalid("bad_json", f"{excerpt(name)} is not JSON: {excerpt(str(error), 120)}") from None


@contextmanager
def on_disk(files: Files, name: str) -> Iterator[Path]:
    """A file of the source as a path, for readers that need one; gone afterwards.

    Raises:
        NotFound: There is none.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / (PurePosixPath(name).name or "file")
        with files.open(name) as source, path.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        yield path


def has_images(files: Files) -> bool:
    """Whether there is any image."""
    return any(is_image(name) for name in files.names())


def read_images(files: Files, name: str) -> Iterator[Incoming | Problem]:
    """Every image of a source, without labels. Other files are told."""
    del name
    for each in files.names():
        if is_image(each):
            yield Incoming(each, "", external_id=each[-500:], image=each)
        elif not is_hidden(each):
            yield Problem(where=each[:300], code="no_image", message="no image by its name; it was left out")


_ANY = RegionQuestion(id="any", name="any", shapes=get_args(ShapeKind), labels=(Label(id="any", name="any"),))
_SHAPES: TypeAdapter[Shape] = TypeAdapter(Shape)


def sound(
    regions: list[dict[str, Any]], size: Size | None, where: str
) -> tuple[list[dict[str, Any]], list[Problem]]:
    """The regions whose shapes can be stored, and a problem for each of the others.

    One bad shape would cost all answers of its question; a file with one must not lose the rest.

    Args:
        regions: As in `core.transfer.Opinion`.
        size: (width, height) of the image; None when it is not known, and nothing but the form is checked.
        where: Of the image, for the problems.
    """
    problems: list[Problem] = []
    kept: list[dict[str, Any]] = []
    checked: list[Region] = []
    for i, region in enumerate(regions):
        try:
            shape = _SHAPES.validate_python(region["shape"])
        except ValidationError as error:
            message = f"{region['label']!r}: {error.errors()[0]['msg']}"
            problems.append(
                Problem(where=f"{where}/{region.get('id', i)}", code="bad_shape", message=message)
            )
            continue
        kept.append(region)
        checked.append(Region(id=f"{i}", label="any", shape=shape))
    if size is None or not checked:
        return kept, problems
    answer, _ = mend(RegionAnswer(regions=tuple(checked)), size)
    bad: dict[int, Problem] = {}
    for problem in check_regions(_ANY, answer, size, complete=False):
        _, number, *_ = [*problem.where.split("/"), ""]
        if not number:
            return [], [*problems, problem.under(where)]
        bad.setdefault(int(number), problem)
    for i, problem in bad.items():
        message = f"{excerpt(kept[i]['label'])!r}: {problem.message}"
        problems.append(Problem(where=f"{where}/{kept[i].get('id', i)}", code=problem.code, message=message))
    return [region for i, region in enumerate(kept) if i not in bad], problems


def questions_of(rows: Iterable[Incoming]) -> list[dict[str, Any]]:
    """A region question per name that the rows answer, with the labels, shapes and attributes seen."""
    found: dict[str, dict[str, Any]] = {}
    for opinion in (opinion for row in rows for opinion in row.opinions):
        for question, value in opinion.answers.items():
            for each in value if isinstance(value, list) else []:
                if (
                    not isinstance(each, dict)
                    or "shape" not in each
                    or not isinstance(each.get("label"), str)
                ):
                    continue
                seen = found.setdefault(question, {"labels": {}, "shapes": {}})
                label = seen["labels"].setdefault(each["label"], {})
                seen["shapes"][each["shape"]["kind"]] = None
                for key, given in (each.get("attributes") or {}).items():
                    label.setdefault(key, []).append(given)
    return [
        {
            "kind": "region",
            "name": question,
            "shapes": list(seen["shapes"]),
            "labels": [
                {"name": label, "attributes": [attribute(key, values) for key, values in given.items()]}
                for label, given in sorted(seen["labels"].items())
            ],
        }
        for question, seen in found.items()
    ]


def attribute(name: str, values: list[Any]) -> dict[str, Any]:
    """An attribute that can hold all of these values."""
    made: dict[str, Any] = {"id": re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:64] or "attribute", "name": name}
    if all(isinstance(value, bool) for value in values):
        return made | {"type": "boolean"}
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        whole = all(isinstance(value, int) for value in values)
        return made | {"type": "integer" if whole else "number"}
    options = sorted({str(value) for value in values})
    if len(options) <= 20 and all(0 < len(option) <= 60 for option in options):
        return made | {"type": "choice", "options": options}
    return made | {"type": "text"}
