"""Settings: every key, wrong types, misspelt names, and where they are read from."""

import os
import re
from pathlib import Path
from typing import Any

import pytest

from ml_assets.project.settings.settings import (
    Granularity,
    Performance,
    Settings,
    load_settings,
    parse_settings,
    read_settings,
)
from ml_assets.project.settings.stages import StageSettings
from resources.dvc.run.stage_limits import StageLimits
from resources.errors import ConfigurationError

DOCUMENTATION = Path(__file__).parents[4] / "docs"
EVERYTHING = """
jobs = 3
granularity = "stage"
keep-going = true
wait = 1.5
environment = ["HF_TOKEN", "AWS_*"]
[weights]
"train*" = 2
[mutexes]
gpu = ["train*", "embed"]
[owners]
"models/*" = ["team:ml", "a@b.invalid"]
[stages."train*"]
time-limit = 90
retries = 2
[performance]
command = "measure {model} {report}"
model = "m.onnx"
timeout = 60
"""
PARSED = Settings(
    jobs=3,
    granularity=Granularity.STAGE,
    keep_going=True,
    wait=1.5,
    environment=("HF_TOKEN", "AWS_*"),
    weights={"train*": 2},
    mutexes={"gpu": ("train*", "embed")},
    owners={"models/*": ("team:ml", "a@b.invalid")},
    stages={"train*": StageSettings(time_limit=90.0, retries=2)},
    performance=Performance("measure {model} {report}", "m.onnx", 60.0),
)


def under_tool(text: str) -> str:
    """Indent tables of a file of our own under those of ``pyproject.toml``."""
    return "[tool.ml-assets]\n" + text.replace("\n[", "\n[tool.ml-assets.")


def test_without_a_file_everything_has_a_default(tmp_path: Path) -> None:
    assert load_settings(tmp_path) == Settings()
    assert Settings().capacity == len(os.sched_getaffinity(0))


def test_every_key_is_read_from_a_file_of_our_own(tmp_path: Path) -> None:
    (tmp_path / "ml-assets.toml").write_text(EVERYTHING)

    assert load_settings(tmp_path) == PARSED


def test_every_key_is_read_from_pyproject(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n" + under_tool(EVERYTHING))

    assert load_settings(tmp_path) == PARSED


def test_documented_settings_are_accepted() -> None:
    blocks = [
        block
        for page in sorted(DOCUMENTATION.rglob("*.md"))
        if page.name != "settings.md"  # its tables are parsed as one document elsewhere
        for block in re.findall(r"```toml\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
        if "[tool.ml-assets" in block
    ]
    assert len(blocks) > 8
    for block in blocks:
        read_settings({"pyproject.toml": block.replace(".NAME]", ".own]").encode()}, "docs")


def test_file_of_our_own_is_read_where_pyproject_says_nothing_of_us(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.other]\njobs = 9\n")
    (tmp_path / "ml-assets.toml").write_text("jobs = 2\n")

    assert load_settings(tmp_path).jobs == 2


def test_pyproject_comes_before_a_file_of_our_own(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.ml-assets]\njobs = 9\n")
    (tmp_path / "ml-assets.toml").write_text("jobs = 2\n")

    assert load_settings(tmp_path).jobs == 9


@pytest.mark.parametrize("name", ["pyproject.toml", "ml-assets.toml"])
@pytest.mark.parametrize("content", [b"jobs = ", b"jobs = 1\njobs = 2\n", b"a = '\xff'\n"])
def test_file_that_is_no_toml_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(ConfigurationError, match=f"cannot parse: {tmp_path}/{name}: .") as error:
        load_settings(tmp_path)

    assert error.value.hint == f"correct it: {tmp_path}/{name}"


@pytest.mark.parametrize(
    ("table", "unknown"),
    [
        ({"job": 1}, "job"),
        ({"keep_going": True}, "keep_going"),
        ({"jobs": 1, "Jobs": 1, "zeal": 1}, "Jobs, zeal"),
        ({"performance": {"comand": "x"}}, "comand"),
    ],
)
def test_misspelt_key_is_refused_and_the_known_ones_are_named(
    table: dict[str, Any], unknown: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"unknown setting in x.toml.*: {unknown}$") as e:
        parse_settings(table, "x.toml")

    known = (
        "command" if "performance" in table else "environment, gates, granularity, jobs, keep-going"
    )
    assert known in e.value.hint


WHOLE = "a whole number, 0 or more"
NUMBER, STRING, STRINGS = "a number, 0 or more", "a string", "a list of strings"
WRONG = [
    ({"jobs": "4"}, "jobs", WHOLE),
    ({"jobs": True}, "jobs", WHOLE),
    ({"jobs": -1}, "jobs", WHOLE),
    ({"wait": [1]}, "wait", NUMBER),
    ({"wait": -0.1}, "wait", NUMBER),
    ({"granularity": "op"}, "granularity", "pipeline or stage"),
    ({"granularity": 1}, "granularity", STRING),
    ({"keep-going": 1}, "keep-going", "true or false"),
    ({"keep-going": "yes"}, "keep-going", "true or false"),
    ({"environment": "HF_TOKEN"}, "environment", STRINGS),
    ({"environment": [1]}, "environment", STRINGS),
    ({"environment": {"HF_TOKEN": "x"}}, "environment", STRINGS),
    ({"weights": [1]}, "weights", "a table"),
    ({"weights": {"a": 0}}, "a", "a whole number, 1 or more"),
    ({"weights": {"a": 1.5}}, "a", "a whole number, 1 or more"),
    ({"weights": {"a": True}}, "a", "a whole number, 1 or more"),
    ({"mutexes": {"gpu": "train"}}, "gpu", STRINGS),
    ({"owners": {"*": "team:x"}}, r"\*", STRINGS),
    ({"stages": {"a": 60}}, "a", "a table"),
    ({"stages": {"a": {"time-limit": "1 h"}}}, "time-limit", NUMBER),
    ({"stages": {"a": {"time-limit": -1}}}, "time-limit", NUMBER),
    ({"stages": {"a": {"retries": 1.5}}}, "retries", "a whole number, 0 or more"),
    ({"performance": "x"}, "performance", "a table"),
    ({"performance": {"command": 1}}, "command", STRING),
    ({"performance": {"timeout": "1 h"}}, "timeout", NUMBER),
    ({"performance": {"model": ["x"]}}, "model", STRING),
]


@pytest.mark.parametrize(("table", "key", "expected"), WRONG)
def test_setting_of_another_type_says_what_to_write(
    table: dict[str, Any], key: str, expected: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"wrong setting in x.toml.*: {key}$") as error:
        parse_settings(table, "x.toml")

    assert error.value.hint == f"write {expected}"


@pytest.mark.parametrize(
    "text", ["tool = 5", "[tool]\nml-assets = 3", "[[tool.ml-assets]]\njobs = 1"]
)
def test_table_of_another_type_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)

    with pytest.raises(ConfigurationError):
        load_settings(tmp_path)


@pytest.mark.parametrize(
    "text",
    ["jobs = inf", "jobs = nan", "jobs = 0.5", "wait = nan", "wait = inf", "wait = 1e300"]
    + [f"wait = 1{'0' * 400}", "performance.timeout = 1e300"],
)
def test_number_that_means_nothing_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "ml-assets.toml").write_text(text)

    with pytest.raises(ConfigurationError):
        load_settings(tmp_path)


@pytest.mark.parametrize(
    "owner", ["me", "team:", "", "team:a b", ".a@b.org", "a@b.x1", "a@b.technology", "a@b.org\n"]
)
def test_owner_that_dagster_will_not_take_is_refused(owner: str) -> None:
    with pytest.raises(ConfigurationError, match="owners"):
        parse_settings({"owners": {"*": [owner]}}, "x.toml")


@pytest.mark.parametrize("owner", ["team:ü", "team:a/b", "a.b+c@d-e.f.org", "_@b.invalid"])
def test_owner_that_is_accepted_is_one_that_dagster_takes(owner: str) -> None:
    import dagster as dg

    settings = parse_settings({"owners": {"*": [owner]}}, "x.toml")

    assert dg.AssetSpec("a", owners=list(settings.owners_of("a"))).owners == [owner]


def test_capacity_is_the_number_of_jobs_where_there_is_one() -> None:
    assert Settings(jobs=7).capacity == 7


def test_patterns_choose_the_stages() -> None:
    stages = ["train@a", "train@b", "embed", "other"]

    assert PARSED.weights_of(stages) == {"train@a": 2, "train@b": 2}
    assert PARSED.mutexes_of(stages) == {"train@a": ["gpu"], "train@b": ["gpu"], "embed": ["gpu"]}


def test_first_pattern_that_matches_limits_a_stage() -> None:
    settings = Settings(stages={"a": StageSettings(retries=1), "*": StageSettings(time_limit=5.0)})

    assert settings.limits_of(["a", "b"]) == {"a": StageLimits(0.0, 1), "b": StageLimits(5.0, 0)}
    assert Settings(stages={"c": StageSettings(5.0)}).limits_of(["a"]) == {}


def test_first_pattern_that_matches_names_the_owners() -> None:
    settings = Settings(owners={"models/a": ("team:a",), "models/*": ("team:b",), "*": ()})

    assert settings.owners_of("models/a") == ("team:a",)
    assert settings.owners_of("models/b") == ("team:b",)
    assert settings.owners_of("data") == ()
    assert Settings().owners_of("data") == ()
