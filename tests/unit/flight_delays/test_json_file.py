"""Own the tests of the JSON files."""

import math
from pathlib import Path

import pytest

from flight_delays.json_file import write_json


def test_document_keeps_the_order_of_its_keys(tmp_path: Path) -> None:
    write_json({"b": 1, "a": [0.5]}, tmp_path / "reports" / "x.json")

    text = (tmp_path / "reports" / "x.json").read_text()
    assert text == '{\n  "b": 1,\n  "a": [\n    0.5\n  ]\n}\n'


def test_number_that_is_none_leaves_the_old_document_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_json({"a": 1}, path)

    with pytest.raises(ValueError, match="JSON compliant"):
        write_json({"a": math.nan}, path)

    assert path.read_text() == '{\n  "a": 1\n}\n'
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.json"]
