"""Where pictures lie in inputs, and that what is measured there is measured right in the picture."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelwright.core.detector import InputSpec
from labelwright.detectors.fit import fit_of, place, sample, tensor

SIDES = st.integers(1, 60)
RESIZES = st.sampled_from(["letterbox", "stretch"])
POSITIONS = st.sampled_from(["centre", "top_left"])


@given(SIDES, SIDES, SIDES, SIDES, RESIZES, POSITIONS, st.lists(st.floats(-9, 99), min_size=4, max_size=4))
def test_there_and_back_is_where_it_was(
    w: int, h: int, to_w: int, to_h: int, resize: str, position: str, box: list[float]
) -> None:
    fit = fit_of(
        (w, h), InputSpec.model_validate({"size": (to_w, to_h), "resize": resize, "position": position})
    )
    assert np.allclose(fit.to_picture(fit.to_input(np.array([box]))), [box], atol=1e-6)
    x, y, width, height = fit.placed
    corners = fit.to_picture(np.array([[x, y, x + width, y + height]]))
    assert np.allclose(corners, [[0, 0, w, h]], atol=1e-9)
    assert x >= 0 and y >= 0 and x + width <= to_w and y + height <= to_h
    if resize == "letterbox" and min(width, height) > 1:
        # The proportions are kept to half a pixel of the input.
        assert abs(width * h - height * w) <= 0.5 * max(w, h) + 1e-6


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(4, 30), st.integers(4, 30), RESIZES, POSITIONS)
def test_a_rectangle_is_found_within_half_a_pixel(
    data: st.DataObject, w: int, h: int, resize: str, position: str
) -> None:
    """Drawn, placed in a larger input as the network sees it, measured there by its brightness, measured back."""
    x0, y0 = data.draw(st.integers(0, w - 2)), data.draw(st.integers(0, h - 2))
    x1, y1 = data.draw(st.integers(x0 + 1, w)), data.draw(st.integers(y0 + 1, h))
    picture = np.zeros((h, w, 3), np.uint8)
    picture[y0:y1, x0:x1] = 255
    spec = InputSpec.model_validate(
        {"size": (data.draw(st.integers(w, 60)), data.draw(st.integers(h, 60))), "resize": resize, "position": position,
         "pad": 0}
    )  # fmt: skip
    placed, fit = place(picture, spec)
    ys, xs = np.nonzero(placed[..., 0] >= 128)
    box = fit.to_picture(np.array([[xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]]))
    # A pixel of the input is at most one of the picture, and half of it may be lost on each side.
    across, down = fit.scale
    limits = np.array([0.5 / across, 0.5 / down] * 2) + 1e-9
    assert (np.abs(box - [[x0, y0, x1, y1]]) <= np.maximum(limits, 0.5)).all()
    # A map over the input is read back at exactly the pixels that were drawn.
    again = sample(np.asarray(placed[..., 0] / 255, np.float32), fit, (0, 0, w, h)) >= 0.5
    expected = np.zeros((h, w), bool)
    expected[y0:y1, x0:x1] = True
    assert (again != expected).sum() == 0


def test_padding_has_its_colour_in_the_order_of_the_network() -> None:
    spec = InputSpec.model_validate({"size": (4, 2), "pad": (10, 20, 30), "colour": "BGR", "scale": 1})
    placed, _ = place(np.full((8, 8, 3), (1, 2, 3), np.uint8), spec)
    given = tensor(placed[None], spec, "float32")
    assert given.shape == (1, 3, 2, 4)
    assert given[0, :, 0, 0].tolist() == [10, 20, 30]
    assert given[0, :, 0, 1].tolist() == [3, 2, 1]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_numbers_are_scaled_then_centred_then_divided(dtype: str) -> None:
    spec = InputSpec.model_validate(
        {"scale": "1/255", "mean": [0.5, 0.25, 0], "std": [0.5, 1, 2], "layout": "NHWC"}
    )
    given = tensor(np.full((1, 1, 1, 3), 255, np.uint8), spec, dtype)
    assert given.dtype == dtype
    assert given[0, 0, 0].tolist() == [1.0, 0.75, 0.5]


def test_whole_numbers_are_given_as_they_are() -> None:
    picture = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    given = tensor(picture, InputSpec(layout="HWC", resize="none"), "uint8")
    assert given.dtype == np.uint8 and (given == picture[0]).all()
