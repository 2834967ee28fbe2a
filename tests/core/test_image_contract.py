"""The file that both sides' tests read says what the server computes today."""

import json

import pytest

from labelwright.core import mask
from labelwright.core.shape import Mask
from tests.core.image_contract import PATH, REFUSED, contract


def test_the_contract_is_what_the_server_computes() -> None:
    stored = json.loads(PATH.read_text(encoding="utf-8"))
    now = json.loads(json.dumps(contract()))
    for entry, fresh in zip(stored.pop("corners"), now.pop("corners"), strict=True):
        assert entry["box"] == fresh["box"]
        for point, expected in zip(entry["corners"], fresh["corners"], strict=True):
            assert point == pytest.approx(expected, abs=1e-9)
    assert stored == now


@pytest.mark.parametrize(("counts", "size"), REFUSED)
def test_what_the_browser_refuses_the_server_refuses(counts: str, size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"."):
        mask.check(Mask(size=size, counts=counts))
