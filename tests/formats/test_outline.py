"""Outlines along pixel edges, bridges, and what they cost: nothing by COCO's rasteriser."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from labelwright.core.mask import decode, encode, rasterise
from labelwright.core.shape import Polygon
from labelwright.formats.outline import nest, one_ring, parts_of, parts_of_ring, signed_area

pixels = arrays.arrays(np.bool_, st.tuples(st.integers(1, 14), st.integers(1, 17)))


@settings(max_examples=200, deadline=None)
@given(pixels)
def test_a_mask_is_what_its_outlines_cover(found: NDArray[np.bool_]) -> None:
    size = (found.shape[1], found.shape[0])
    parts = parts_of(encode(found))
    if not found.any():
        assert parts == ()
        return
    assert (decode(rasterise(Polygon(parts=parts), size)) == found).all()
    assert sum(signed_area(ring) for part in parts for ring in part) == found.sum()
    ring = one_ring(parts)
    assert (decode(rasterise(Polygon(parts=((ring,),)), size)) == found).all()
    again = parts_of_ring(ring)
    assert (decode(rasterise(Polygon(parts=again), size)) == found).all()


def test_bridges_are_cut_again() -> None:
    square = ((0.0, 0.0), (40.0, 0.0), (40.0, 40.0), (0.0, 40.0))
    hole = ((10.0, 10.0), (10.0, 20.0), (20.0, 20.0), (20.0, 10.0))
    island = ((12.0, 12.0), (15.0, 12.0), (15.0, 15.0), (12.0, 15.0))
    other = ((50.0, 0.0), (60.0, 0.0), (60.0, 10.0))
    parts = ((square, hole), (island,), (other,))
    ring = one_ring(parts)
    assert signed_area(ring) == sum(signed_area(r) for p in parts for r in p)
    found = parts_of_ring(ring)
    assert sorted(sorted(sorted(r) for r in p) for p in found) == sorted(
        sorted(sorted(r) for r in p) for p in parts
    )
    assert parts_of_ring(square) == ((square,),)
    assert nest([square, hole]) == ((square, hole),)
