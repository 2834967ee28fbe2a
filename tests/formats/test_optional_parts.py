"""Formats whose library is an extra say how to get it."""

import sys
from pathlib import Path

import pytest

from labelwright.core.errors import LabelwrightError
from labelwright.formats import registry, tabular


def test_parquet_without_pyarrow_says_which_extra_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(LabelwrightError) as caught:
        next(tabular.parquet(tmp_path / "rows.parquet", "rows.parquet"))
    assert (caught.value.code, caught.value.hint) == ("no_pyarrow", "pip install 'labelwright[parquet]'")


def test_a_writer_that_needs_an_extra_says_so_before_it_is_used() -> None:
    needs = {writer.name: writer.needs for writer in registry.WRITERS if writer.needs}
    assert needs == {
        "parquet": "pip install 'labelwright[parquet]'",
        "spacy": "pip install 'labelwright[spacy]'",
    }
