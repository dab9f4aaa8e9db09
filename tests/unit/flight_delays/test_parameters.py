"""Own the tests of reading params.yaml."""

from pathlib import Path

import pytest

from flight_delays.errors import ParameterError
from flight_delays.parameters import Section, load_parameters


def test_values_are_read_by_kind() -> None:
    section = Section("a", {"i": 3, "n": 0.5, "t": "x", "l": [1, 2], "s": {"i": 4}})

    assert section.integer("i") == 3
    assert (section.number("n"), section.number("i")) == (0.5, 3.0)
    assert section.text("t") == "x"
    assert section.integers("l") == (1, 2)
    assert section.section("s").integer("i") == 4


def test_missing_parameter_is_named_in_full() -> None:
    with pytest.raises(ParameterError, match="parameter is missing: a.s.x"):
        Section("a", {"s": {}}).section("s").integer("x")


@pytest.mark.parametrize("value", [True, 1.0, "1", None, -1])
def test_whole_number_is_nothing_else(value: object) -> None:
    with pytest.raises(ParameterError, match="not an integer of at least 0: a.x"):
        Section("a", {"x": value}).integer("x")


@pytest.mark.parametrize("value", [True, "1", None, 0, -1.0, float("nan"), float("inf")])
def test_number_is_finite_and_above_zero(value: object) -> None:
    with pytest.raises(ParameterError, match="not a number"):
        Section("a", {"x": value}).number("x")


@pytest.mark.parametrize("value", [1, [1.0], [True], ["1"], None])
def test_list_holds_whole_numbers_only(value: object) -> None:
    with pytest.raises(ParameterError, match="not a list of integers: x"):
        Section("", {"x": value}).integers("x")


@pytest.mark.parametrize("value", ["", 1, None])
def test_text_is_not_empty(value: object) -> None:
    with pytest.raises(ParameterError, match="not a string"):
        Section("", {"x": value}).text("x")


@pytest.mark.parametrize("value", [None, [], {1: 2}])
def test_section_is_a_mapping_of_names(value: object) -> None:
    with pytest.raises(ParameterError, match="not a mapping: x"):
        Section("", {"x": value}).section("x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "cannot read the parameters"),
        ("- a", "parameters are not a mapping"),
        ("", "parameters are not a mapping"),
    ],
)
def test_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)

    with pytest.raises(ParameterError, match=message):
        load_parameters(path)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="cannot read the parameters"):
        load_parameters(tmp_path / "params.yaml")
