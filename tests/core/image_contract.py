"""What the server and the browser must agree on about shapes, computed by the server: `python -m tests.core.image_contract` writes it.

The browser's tests (`ui/src/editor/image/contract.test.ts`) read the same file.
"""

import json
import random
from typing import Any

from pydantic import TypeAdapter

from labelwright.core import geometry, mask
from labelwright.core.shape import Box, Mask, Polygon, RotatedBox, Shape
from tests.conftest import ROOT

PATH = ROOT / "ui/src/editor/image/contract.json"
SIZE = (47, 31)
REFUSED: list[tuple[str, tuple[int, int]]] = [
    ("", (2, 2)),
    ("3", (2, 2)),
    ("5", (2, 2)),
    ("4\x00", (2, 2)),
    ("~", (2, 2)),
    ("o" * 50, (2, 2)),
    ("`", (2, 2)),
    ("4", (0, 4)),
    ("4", (-2, -2)),
    ("é", (2, 2)),
    ("@4", (2, 2)),
]


def shapes(draw: random.Random) -> list[Shape]:
    def number(low: float, high: float) -> float:
        return round(draw.uniform(low, high), draw.choice([0, 1, 3, 9]))

    def ring(count: int) -> tuple[tuple[float, float], ...]:
        return tuple((number(-6, SIZE[0] + 6), number(-6, SIZE[1] + 6)) for _ in range(count))

    found: list[Shape] = [
        Box(x=3, y=4, width=10, height=7),
        Box(x=0, y=0, width=SIZE[0], height=SIZE[1]),
        Box(x=5.5, y=5.5, width=0.2, height=9),
        Polygon(parts=((((2, 2), (20, 2), (20, 2), (20, 20), (2, 20)), ((5, 5), (9, 5), (9, 9))),)),
        Polygon(parts=((((1, 1), (1, 1), (1, 1)),),)),
    ]  # fmt: skip
    for _ in range(12):
        at = {"x": number(0, 40), "y": number(0, 25), "width": number(0, 30), "height": number(0, 20)}
        found.append(Box(**at))
        found.append(RotatedBox(**at, angle_deg=number(-400, 400)))
        found.append(Polygon(parts=((ring(draw.randint(3, 9)),), (ring(4), ring(3)))))
    return found


def contract() -> dict[str, Any]:
    dump = TypeAdapter(Shape).dump_python
    all_shapes = shapes(random.Random(1))
    masks: list[Mask] = [mask.rasterise(shape, SIZE) for shape in all_shapes]
    return {
        "size": list(SIZE),
        "corners": [
            {"box": dump(shape, mode="json"), "corners": [list(point) for point in geometry.corners(shape)]}
            for shape in all_shapes
            if isinstance(shape, RotatedBox)
        ],
        "rasters": [
            {
                "shape": dump(shape, mode="json"),
                "counts": found.counts,
                "area": int(mask.decode(found).sum()),
                "bounds": None
                if (at := geometry.bounds(found)) is None
                else [at.x, at.y, at.x + at.width, at.y + at.height],
            }
            for shape, found in zip(all_shapes, masks, strict=True)
        ],
        "refused": [[counts, list(size)] for counts, size in REFUSED],
    }


if __name__ == "__main__":
    PATH.write_text(json.dumps(contract(), separators=(",", ":")) + "\n", encoding="utf-8")
