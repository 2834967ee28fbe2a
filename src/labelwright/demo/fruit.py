"""Pictures of fruit on a table, drawn by this code, with the truth about every piece; and a simple detector to look at them.

Hides the painting (light from the upper left, shadows, skin, noise, a little blur) and a detector that knows nothing but
colours: it confuses what looks alike and joins what touches, so that its answers are worth correcting. Everything follows
from a seed: the same pictures on every machine, and nobody's data.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

WIDTH, HEIGHT = 640, 480
LABELS: Final = ("apple", "banana", "lemon", "orange", "pear")
"""What lies on the table."""

_Pixels = NDArray[np.float32]
_Polygon = list[list[list[list[float]]]]
"""Parts, each of rings, each of points: as `core.shape.Polygon` has them."""

_SKINS: dict[str, tuple[tuple[int, int, int], ...]] = {
    "apple": ((178, 32, 38), (196, 52, 44), (120, 158, 52)),
    "banana": ((238, 206, 74), (232, 196, 60)),
    "lemon": ((244, 226, 70), (238, 220, 92)),
    "orange": ((240, 140, 28), (228, 124, 22)),
    "pear": ((176, 186, 74), (198, 190, 92)),
}
_HIDDEN_BELOW = 0.85
"""Less than this share of a piece seen: it is partly hidden."""


@dataclass(frozen=True)
class Piece:
    """One fruit, as it can be seen.

    Attributes:
        label: One of `LABELS`.
        parts: Outline of what can be seen, in pixels.
        bruised: Whether there is a brown spot on it.
        hidden: Whether another one covers a good part of it, or the edge cuts it.
        score: How sure the detector is, in [0, 1]; 1 for the truth.
    """

    label: str
    parts: _Polygon
    bruised: bool
    hidden: bool
    score: float = 1.0


@dataclass(frozen=True)
class Scene:
    """One picture and the truth about it, back to front."""

    name: str
    image: Image.Image
    pieces: tuple[Piece, ...]


SCENES: Final = 48
"""How many the demo has; there is no end to them."""


def scene(number: int, seed: int = 7) -> Scene:
    """One picture, numbered from 0."""
    rng = np.random.default_rng([seed, number])
    canvas = _table(rng)
    owner = np.full((HEIGHT, WIDTH), -1, dtype=np.int16)
    drawn: list[tuple[str, bool, int]] = []
    places: list[tuple[float, float, float]] = []
    for _ in range(int(rng.integers(2, 9))):
        label = str(rng.choice(LABELS, p=(0.28, 0.16, 0.18, 0.2, 0.18)))
        size = float(rng.uniform(48, 84)) * (1.15 if label == "banana" else 1.0)
        place = _free_place(rng, size, places)
        if place is None:
            continue
        places.append((*place, size))
        bruised = bool(rng.random() < 0.22)
        mask = _paint(canvas, rng, label, place, size, bruised=bruised)
        owner[mask] = len(drawn)
        drawn.append((label, bruised, int(mask.sum())))
    pieces = []
    for i, (label, bruised, area) in enumerate(drawn):
        seen = owner == i
        parts = outline(seen)
        if parts:
            edge = bool(seen[0].any() or seen[-1].any() or seen[:, 0].any() or seen[:, -1].any())
            hidden = edge or int(seen.sum()) < _HIDDEN_BELOW * area
            pieces.append(Piece(label, parts, bruised, hidden))
    return Scene(f"table-{number + 1:03d}.jpg", _photographed(canvas, rng), tuple(pieces))


def _free_place(
    rng: np.random.Generator, size: float, taken: list[tuple[float, float, float]]
) -> tuple[float, float] | None:
    """Anywhere on the table, seldom deep in another one."""
    nearest = rng.uniform(0.55, 1.25)
    for _ in range(24):
        x, y = float(rng.uniform(20, WIDTH - 20)), float(rng.uniform(40, HEIGHT - 20))
        if all((x - a) ** 2 + (y - b) ** 2 > (nearest * (size + c)) ** 2 for a, b, c in taken):
            return x, y
    return None


# --- painting -----------------------------------------------------------------------------------------------------


@cache
def _grid() -> tuple[_Pixels, _Pixels]:
    ys, xs = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    return xs, ys


def _noise(rng: np.random.Generator, height: int, width: int, coarse: tuple[int, int]) -> _Pixels:
    """Smooth noise around 0; `coarse` cells (down, across) over the whole."""
    small = rng.standard_normal(coarse, dtype=np.float32)
    how = cv2.INTER_CUBIC if coarse[0] < 20 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(small, (width, height), interpolation=how), dtype=np.float32)


def _table(rng: np.random.Generator) -> _Pixels:
    """Wood, a checked cloth, slate or marble; float RGB (height, width, 3) in 0 to 255."""
    xs, ys = _grid()
    kind = rng.choice(("wood", "cloth", "slate", "marble"))
    if kind == "wood":
        base = np.array([(134, 96, 62), (168, 128, 88), (104, 74, 52)][rng.integers(3)], dtype=np.float32)
        grain = np.sin((ys + 9 * _noise(rng, HEIGHT, WIDTH, (4, 9))) * rng.uniform(0.12, 0.2))
        grain = 7 * grain + 6 * _noise(rng, HEIGHT, WIDTH, (120, 6))
        boards = (np.floor(ys / 120) % 2) * 5 - 9 * (np.mod(ys, 120) < 2)
        canvas = base + (grain + boards)[..., None]
    elif kind == "cloth":
        base = np.array([(226, 228, 232), (232, 226, 214)][rng.integers(2)], dtype=np.float32)
        colour = np.array([(92, 132, 186), (176, 84, 84), (96, 150, 128)][rng.integers(3)], dtype=np.float32)
        step = float(rng.uniform(46, 70))
        check = ((np.mod(xs, step) < step / 2).astype(np.float32) + (np.mod(ys, step) < step / 2)) / 2
        canvas = base * (1 - 0.55 * check[..., None]) + colour * (0.55 * check[..., None])
        canvas += 3 * np.sin(xs * 2.1)[..., None] + 3 * np.sin(ys * 2.1)[..., None]
    elif kind == "slate":
        canvas = (
            np.array((74, 80, 88), dtype=np.float32) + (8 * _noise(rng, HEIGHT, WIDTH, (9, 12)))[..., None]
        )
        canvas += (4 * _noise(rng, HEIGHT, WIDTH, (90, 120)))[..., None]
    else:
        veins = np.abs(_noise(rng, HEIGHT, WIDTH, (5, 7)) + 0.4 * _noise(rng, HEIGHT, WIDTH, (14, 18)))
        canvas = (
            np.array((222, 222, 220), dtype=np.float32) - (46 * np.exp(-((veins / 0.06) ** 2)))[..., None]
        )
        canvas += (5 * _noise(rng, HEIGHT, WIDTH, (6, 8)))[..., None]
    return np.ascontiguousarray(canvas, dtype=np.float32)


def _shape(rng: np.random.Generator, label: str, size: float) -> NDArray[np.float64]:
    """Outline around the origin, (n, 2), upright."""
    t = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    x, y = np.cos(t), np.sin(t)
    if label == "apple":
        radius = 1 - 0.10 * np.exp(-((np.abs(t - 1.5 * np.pi) / 0.28) ** 2)) + 0.03 * np.cos(2 * t)
        points = np.stack([x * radius * 1.04, y * radius * 0.96], axis=1)
    elif label == "orange":
        points = np.stack([x, y], axis=1)
    elif label == "lemon":
        tip = 0.22 * (np.exp(-((x - 1) ** 2) / 0.02) + np.exp(-((x + 1) ** 2) / 0.02))
        points = np.stack([x * (0.98 + tip), y * 0.7], axis=1)
    elif label == "pear":
        width = 0.62 + 0.30 * (1 / (1 + np.exp(-5 * y)))
        points = np.stack([x * width * (1 - 0.12 * (y < -0.4)), y * 1.18], axis=1)
    else:
        along = np.linspace(-1.05, 1.05, 36)
        bend = rng.uniform(0.42, 0.62)
        thick = 0.25 * np.clip(1 - np.abs(along / 1.06) ** 5, 0, 1) + 0.045
        middle = np.stack([np.sin(along) * 1.15, bend * (1 - np.cos(along) * 1.6)], axis=1)
        normal = np.stack([-np.sin(along) * bend * 1.6, np.cos(along) * 1.15], axis=1)
        normal = normal[:, ::1] / np.linalg.norm(normal, axis=1, keepdims=True)
        across = np.stack([-normal[:, 0], normal[:, 1]], axis=1)
        points = np.concatenate([middle + across * thick[:, None], (middle - across * thick[:, None])[::-1]])
    points = points * rng.uniform(0.96, 1.04, size=(1, 2)) * size
    turn = rng.uniform(-np.pi, np.pi) if label in ("banana", "lemon") else rng.normal(0, 0.35)
    cos, sin = np.cos(turn), np.sin(turn)
    turned: NDArray[np.float64] = points @ np.array([[cos, sin], [-sin, cos]])
    return turned


def _paint(
    canvas: _Pixels,
    rng: np.random.Generator,
    label: str,
    place: tuple[float, float],
    size: float,
    *,
    bruised: bool,
) -> NDArray[np.bool_]:
    """Paint a piece over what is there; returns the pixels it covers."""
    points = _shape(rng, label, size) + np.array(place)
    # Only a window around it is touched; the shadow falls to the lower right.
    left, top = (int(max(0, np.floor(points[:, k].min() - 12))) for k in (0, 1))
    right = int(min(WIDTH, np.ceil(points[:, 0].max() + 30)))
    bottom = int(min(HEIGHT, np.ceil(points[:, 1].max() + 34)))
    height, width = bottom - top, right - left
    mask = Image.new("L", (width * 2, height * 2))
    ImageDraw.Draw(mask).polygon([(2 * (x - left), 2 * (y - top)) for x, y in points], fill=255)
    alpha = np.asarray(mask.resize((width, height), Image.Resampling.BOX), dtype=np.float32) / 255
    window = canvas[top:bottom, left:right]
    shadow = np.zeros((height, width), dtype=np.float32)
    shadow[9:, 7:] = alpha[: height - 9, : width - 7]
    window *= 1 - 0.42 * cv2.GaussianBlur(shadow, (0, 0), 7)[..., None]

    xs, ys = _grid()[0][top:bottom, left:right], _grid()[1][top:bottom, left:right]
    depth = cv2.distanceTransform((alpha > 0.5).astype(np.uint8), cv2.DIST_L2, 3)
    round_ = np.sqrt(np.clip(depth / max(float(depth.max()), 1), 0, 1))
    u, v = (xs - place[0]) / size, (ys - place[1]) / size
    light = 0.62 + 0.5 * round_ - 0.16 * (u + v)
    skins = _SKINS[label]
    skin = np.array(skins[rng.integers(len(skins))], dtype=np.float32) * rng.uniform(0.92, 1.06)
    colour = skin * light[..., None]
    colour += (5 * _noise(rng, height, width, (max(2, height // 5), max(2, width // 5))))[..., None]
    if label == "apple":
        blush = np.clip(0.5 + 0.8 * np.sin(3.1 * u + rng.uniform(0, 6)) + 0.3 * v, 0, 1)[..., None]
        colour = colour * (1 - 0.35 * blush) + np.array((214, 150, 84), dtype=np.float32) * light[
            ..., None
        ] * (0.35 * blush)
    elif label == "orange":
        colour *= 1 + 0.05 * np.sin(xs * 1.9 + 2 * np.sin(ys))[..., None]
    if bruised:
        bx, by = rng.uniform(-0.3, 0.3, 2)
        spot = np.exp(-(((u - bx) ** 2 + (v - by) ** 2) / rng.uniform(0.02, 0.05)))[..., None]
        colour = colour * (1 - 0.6 * spot) + np.array((92, 58, 34), dtype=np.float32) * (0.6 * spot)
    gleam = np.exp(-(((u + 0.34) ** 2 + (v + 0.36) ** 2) / 0.025))[..., None] * (
        0.2 if label == "banana" else 0.5
    )
    colour = colour * (1 - gleam) + 250 * gleam
    window *= 1 - alpha[..., None]
    window += np.clip(colour, 0, 255) * alpha[..., None]
    if label in ("apple", "pear"):
        tip = points[np.argmin(points[:, 1])]
        end = (int(tip[0] + 0.12 * size), int(tip[1] - 0.28 * size))
        cv2.line(canvas, (int(tip[0]), int(tip[1] + 0.1 * size)), end, (74, 52, 34), 3, cv2.LINE_AA)
    covered = np.zeros((HEIGHT, WIDTH), dtype=bool)
    covered[top:bottom, left:right] = alpha > 0.5
    return covered


def _photographed(canvas: _Pixels, rng: np.random.Generator) -> Image.Image:
    """As a camera would have it: uneven light, a colour cast, a little blur, noise of the sensor."""
    xs, ys = _grid()
    falloff = 1.06 - 0.24 * (
        ((xs - WIDTH * rng.uniform(0.3, 0.7)) / WIDTH) ** 2 + ((ys - HEIGHT * 0.45) / HEIGHT) ** 2
    )
    cast = rng.uniform(0.94, 1.06, 3).astype(np.float32) * rng.uniform(0.82, 1.08)
    shot = canvas
    shot *= (falloff.astype(np.float32))[..., None]
    shot *= cast
    shot += rng.standard_normal((HEIGHT, WIDTH, 1), dtype=np.float32) * rng.uniform(2, 7)
    image = Image.fromarray(np.clip(shot, 0, 255, out=shot).astype(np.uint8))
    blur = float(rng.choice((0.0, 0.6, 1.4), p=(0.5, 0.35, 0.15)))
    return image.filter(ImageFilter.GaussianBlur(blur)) if blur else image


# --- looking ------------------------------------------------------------------------------------------------------


def outline(
    pixels: NDArray[np.bool_], smooth_px: float = 1.2, least_px2: float = 60, scale: float = 1.0
) -> _Polygon:
    """Outlines of a set of pixels, `scale` times as large, as parts without holes; specks are left out."""
    found, _ = cv2.findContours(pixels.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    parts: _Polygon = []
    for contour in sorted(found, key=cv2.contourArea, reverse=True):
        ring = cv2.approxPolyDP(contour, smooth_px, closed=True)[:, 0, :]
        # Smoothing a thin neck away may make the outline cross itself.
        if len(ring) >= 3 and not shapely.Polygon(ring).is_valid:
            ring = cv2.approxPolyDP(contour, 0.5, closed=True)[:, 0, :]
        if cv2.contourArea(contour) >= least_px2 and len(ring) >= 3 and shapely.Polygon(ring).is_valid:
            parts.append([[[scale * (float(x) + 0.5), scale * (float(y) + 0.5)] for x, y in ring]])
    return parts


def detect(image: Image.Image) -> tuple[Piece, ...]:
    """Pieces by their colour alone, each with how sure it is.

    What is no table (colourful, or unlike the edge of the picture) is cut into blobs; each blob gets the fruit whose hue,
    brightness and length are nearest, and a score that falls where two are equally near or the blob is ragged.
    """
    # Half the size says as much about colours, in a quarter of the time.
    rgb = cv2.resize(np.asarray(image), (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(rgb, (0, 0), 1)
    lab = cv2.cvtColor(blurred, cv2.COLOR_RGB2LAB).astype(np.float32)
    rim = np.concatenate([lab[:4].reshape(-1, 3), lab[-4:].reshape(-1, 3), lab[:, :4].reshape(-1, 3)])
    away = np.linalg.norm((lab - np.median(rim, axis=0)) * np.array((0.25, 1, 1), dtype=np.float32), axis=2)
    level = max(
        18.0, float(np.percentile(np.linalg.norm((rim - np.median(rim, axis=0))[:, 1:], axis=1), 75)) + 10
    )
    front = ((away > level) & (lab[..., 2] > 138)).astype(np.uint8)
    front = cv2.morphologyEx(front, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    front = cv2.morphologyEx(front, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    n, marks, stats, _ = cv2.connectedComponentsWithStats(front)
    found = []
    for i in range(1, n):
        area = int(stats[i, cv2.CC_STAT_AREA])
        if area < 220:
            continue
        pixels = marks == i
        parts = outline(pixels, 1.0, least_px2=15, scale=2.0)
        if parts:
            label, score = _named(lab[pixels].mean(axis=0), pixels, area)
            dark = float((lab[..., 0][pixels] < 80).mean())
            x, y, w, h = (int(stats[i, k]) for k in range(4))
            cut = x == 0 or y == 0 or x + w >= WIDTH // 2 or y + h >= HEIGHT // 2
            found.append(Piece(label, parts, dark > 0.07, cut, score))
    return tuple(found)


_NEAR = {
    # Lab (0 to 255 each) and length over width.
    "apple": (108, 172, 164, 1.1),
    "banana": (196, 128, 188, 2.3),
    "lemon": (208, 122, 186, 1.45),
    "orange": (158, 158, 186, 1.0),
    "pear": (168, 118, 172, 1.35),
}


def _named(colour: NDArray[np.float32], pixels: NDArray[np.bool_], area: int) -> tuple[str, float]:
    points = np.argwhere(pixels)[::3, ::-1].astype(np.float32)
    (_, (one, other), _) = cv2.minAreaRect(points)
    long, short = max(one, other), max(min(one, other), 1.0)
    fill = min(area / (long * short), 1.0)
    seen = (*colour, long / short)
    steps = np.array((26, 10, 13, 0.4))
    apart = {k: float(np.linalg.norm((np.array(v) - np.array(seen)) / steps)) for k, v in _NEAR.items()}
    ranked = sorted(apart, key=apart.__getitem__)
    weights = np.exp(-np.array([apart[k] for k in ranked]))
    share = float(weights[0] / weights.sum())
    return ranked[0], round(min(0.99, max(0.05, share * (0.55 + 0.6 * fill))), 3)


def body_of(piece: Piece, number: int, *, scored: bool) -> dict[str, Any]:
    """A region as `core.transfer.Opinion` takes it."""
    return {
        "id": f"r{number}", "label": piece.label, "shape": {"kind": "polygon", "parts": piece.parts},
        "attributes": {"condition": "bruised" if piece.bruised else "fresh", "hidden": piece.hidden},
    } | ({"score": piece.score} if scored else {})  # fmt: skip
