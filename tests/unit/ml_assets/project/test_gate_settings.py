"""The settings of gates: every key, and what is refused."""

import tomllib

import pytest

from ml_assets.project.settings.gates import CommandSettings, GateSettings
from ml_assets.project.settings.reader import read_table
from resources.errors import ConfigurationError
from security.gates.settings import (
    Bound,
    Margin,
    ModelValidationSettings,
    PerformanceBounds,
    SuiteSettings,
)

EVERYTHING = """
python = "envs/one/bin/python"
timeout = 5
[unit-tests]
paths = ["tests/fast"]
sources = ["src"]
arguments = ["-x"]
[integration-tests]
paths = ["tests/slow"]
[model-validation]
metrics = "metrics.json"
[model-validation.thresholds]
"test.f1" = { min = 0.8, max = 1 }
[model-validation.margins]
"test.rmse" = { most = 0.1, better = "lower" }
[data."data/*.csv"]
rows = { min = 1 }
[performance]
most = { latency_ms = 5.5 }
least = { throughput = 2 }
[audit]
command = ["make", "audit"]
judges = "model"
reads = ["*.py"]
output = "sarif"
"""


def parse(text: str) -> GateSettings:
    return read_table(GateSettings, tomllib.loads(text), "gates")


def test_every_setting_is_read() -> None:
    assert parse(EVERYTHING) == GateSettings(
        python="envs/one/bin/python",
        timeout=5.0,
        unit_tests=SuiteSettings(("tests/fast",), ("src",), ("-x",)),
        integration_tests=SuiteSettings(("tests/slow",)),
        model_validation=ModelValidationSettings(
            ("tests/model_tests",),
            metrics="metrics.json",
            thresholds={"test.f1": Bound(0.8, 1.0)},
            margins={"test.rmse": Margin(0.1, "lower")},
        ),
        data={"data/*.csv": {"rows": {"min": 1}}},
        performance=PerformanceBounds({"latency_ms": 5.5}, {"throughput": 2.0}),
        commands={"audit": CommandSettings(("make", "audit"), "model", ("*.py",), "sarif")},
    )


def test_nothing_at_all_is_the_default_and_empty_paths_do_not_turn_tests_off() -> None:
    assert parse("") == GateSettings()
    assert parse("unit-tests = { paths = [] }").unit_tests.paths == ("tests/unit",)


@pytest.mark.parametrize(
    "text",
    [
        "pyhton = 'a'",
        "timeout = 'long'",
        "timeout = -1",
        "unit-tests = { path = ['a'] }",
        "unit-tests = { paths = 'a' }",
        "model-validation = { thresholds = { f1 = { min = 1 } } }",
        "model-validation = { metrics = 'm', thresholds = { f1 = {} } }",
        "model-validation = { metrics = 'm', thresholds = { f1 = { mni = 1 } } }",
        "model-validation = { metrics = 'm', margins = { f1 = { most = -1 } } }",
        "model-validation = { metrics = 'm', margins = { f1 = { most = 1, better = 'up' } } }",
        "performance = { most = { latency = 'low' } }",
        "performance = { mots = {} }",
        "audit = {}",
        "'My audit' = { command = ['a'] }",
        "audit = { command = [] }",
        "audit = { command = [''] }",
        "audit = { command = 'make' }",
        "audit = { command = ['a'], judges = 'all' }",
        "audit = { command = ['a'], output = 'text' }",
        "audit = { command = ['a'], timeuot = 1 }",
    ],
)
def test_wrong_setting_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(text)
    assert "gates" in caught.value.message and caught.value.hint
