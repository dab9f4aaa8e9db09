"""The table of formats in the documentation names every format that the scanner knows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from security.model_scan.report import Format

PAGE = Path(__file__).parents[4] / "docs" / "reference" / "model-files.md"


@pytest.mark.parametrize("found", Format)
def test_format_is_in_the_table(found: Format) -> None:
    cells = re.findall(r"^\| (`[^|]*`) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert f"`{found.value}`" in ", ".join(cells).split(", ")
