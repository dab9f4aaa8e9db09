"""The generated pages and the settings schema: current, complete, and in step with the parsers."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ml_assets.project.settings.settings import read_settings
from security.content.setting import keys_of
from security.gates.data.expectations import ExpectationError, parse_expectations
from tools.check_docs import subcommands
from tools.command_page import command_page
from tools.expectation_tables import ColumnTable, DatasetTable
from tools.generated_docs import SCHEMA, find_stale, generated_files
from tools.settings_page import sections, settings_page

ROOT = Path(__file__).resolve().parents[2]
DATA = "tests.gates.data"


def validator() -> jsonschema.Draft7Validator:
    schema = json.loads((ROOT / SCHEMA).read_text("utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


def own_settings() -> dict[str, Any]:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["ml-assets"]
    assert isinstance(table, dict)
    return table


def examples() -> dict[str, Any]:
    """Return all examples of the reference page as one table."""
    blocks = re.findall(r"```toml\n(.*?)```", settings_page(), re.DOTALL)
    table = tomllib.loads("\n".join(blocks).replace("NAME]", "licenses]"))["tool"]["ml-assets"]
    assert isinstance(table, dict)
    return table


def test_generated_files_are_current() -> None:
    assert find_stale(ROOT) == []


def test_stale_file_is_noticed(tmp_path: Path) -> None:
    for path, text in generated_files().items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, "utf-8")
    (tmp_path / "docs/reference/settings.md").write_text("# Settings\n")
    assert find_stale(tmp_path) == ["docs/reference/settings.md"]


def test_schema_accepts_the_settings_of_this_repository() -> None:
    validator().validate(own_settings())


def test_schema_of_whole_files_accepts_this_repositorys_and_refuses_an_unknown_key() -> None:
    schema = json.loads((ROOT / "docs/reference/pyproject.schema.json").read_text("utf-8"))
    jsonschema.validate(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8")), schema)
    with pytest.raises(jsonschema.ValidationError, match="job"):
        jsonschema.validate({"tool": {"ml-assets": {"job": 4}}}, schema)


def test_schema_and_parser_accept_every_example_of_the_reference() -> None:
    table = examples()
    validator().validate(table)
    text = "\n".join(re.findall(r"```toml\n(.*?)```", settings_page(), re.DOTALL))
    read_settings({"pyproject.toml": text.replace("NAME]", "licenses]").encode()}, "here")
    parse_expectations(table["gates"]["data"], DATA)


@pytest.mark.parametrize(
    "text",
    [
        "job = 4",
        "jobs = '4'",
        "jobs = -1",
        "granularity = 'op'",
        "watch = { branch = ['main'] }",
        "watch = { branches = ['../main'] }",
        "watch = { interval = 0 }",
        "gates = { audit = {} }",
        "gates = { 'My audit' = { command = ['a'] } }",
        "gates = { data = { '*' = { row = {} } } }",
        "gates = { data = { '*' = { columns = { a = { dtype = 'text' } } } } }",
        "model-cards = { '*' = { approach = 'magic' } }",
        "signing = { pin = '1234' }",
        "owners = { '*' = ['me'] }",
    ],
)
def test_schema_refuses_what_the_parser_refuses(text: str) -> None:
    table = tomllib.loads(text)
    assert list(validator().iter_errors(table))
    with pytest.raises(Exception, match="setting|gates.data"):
        settings = read_settings({"ml-assets.toml": text.encode()}, "here")
        parse_expectations(settings.gates.data, "gates.data")


@pytest.mark.parametrize(
    ("table", "wrap"),
    [
        (DatasetTable, lambda value: {"*": value}),
        (ColumnTable, lambda value: {"*": {"columns": {"a": value}}}),
    ],
)
def test_parser_of_expectations_knows_every_declared_key(table: type, wrap: Any) -> None:
    """A key that is known is refused for its value; one that is not, as unknown."""
    for key in keys_of(table):
        with pytest.raises(ExpectationError) as refused:
            parse_expectations(wrap({key.name: object()}), DATA)
        assert "unknown" not in refused.value.message
    with pytest.raises(ExpectationError, match="unknown"):
        parse_expectations(wrap({"misspelt": 1, "strict": True, "required": True}), DATA)


def test_reference_has_every_table_and_key() -> None:
    page = settings_page()
    for section in sections():
        assert not section.path or f"`{section.name}`" in page
        for key in section.keys:
            assert key.setting.rest or key.name in page


def test_reference_has_every_command() -> None:
    from ml_assets.cli import build_parser

    page = command_page()
    for name in subcommands(build_parser()):
        assert f"## `ml-assets {name}`" in page
