"""The settings of model cards: every key, and what is refused."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from ml_assets.project.settings.model_cards import (
    APPROACHES,
    ModelCardSettings,
    find_model_card,
)
from ml_assets.project.settings.settings import parse_settings, read_settings
from resources.errors import ConfigurationError

EVERYTHING = """
["models/*.onnx"]
task = "classification"
approach = "supervised"
algorithm = "sklearn.ensemble.HistGradientBoostingClassifier"
family = "gradient boosting"
inputs = ["float32[n, 16]"]
outputs = ["float32[n]"]
users = ["dispatchers"]
use-cases = ["planning"]
limitations = ["2013 only"]
tradeoffs = ["small"]
license = "Apache-2.0"
datasets = ["data/*.csv"]
metrics = ["reports/metrics.json"]
performance = "reports/performance.json"
["models/*.onnx".risks]
"unfair to carriers" = "measured by carrier"
"""
PARSED = ModelCardSettings(
    task="classification",
    approach="supervised",
    algorithm="sklearn.ensemble.HistGradientBoostingClassifier",
    family="gradient boosting",
    inputs=("float32[n, 16]",),
    outputs=("float32[n]",),
    users=("dispatchers",),
    use_cases=("planning",),
    limitations=("2013 only",),
    tradeoffs=("small",),
    risks={"unfair to carriers": "measured by carrier"},
    license="Apache-2.0",
    datasets=("data/*.csv",),
    metrics=("reports/metrics.json",),
    performance="reports/performance.json",
)


def cards(table: dict[str, object]) -> Mapping[str, ModelCardSettings]:
    return parse_settings({"model-cards": table}, "x").model_cards


def test_every_key_is_read() -> None:
    assert cards(tomllib.loads(EVERYTHING)) == {"models/*.onnx": PARSED}


def test_settings_hold_the_model_cards() -> None:
    settings = parse_settings({"model-cards": tomllib.loads(EVERYTHING)}, "ml-assets.toml")
    assert settings.model_cards == {"models/*.onnx": PARSED}


def test_first_pattern_that_matches_counts() -> None:
    cards = {"a/*": ModelCardSettings(task="one"), "*": ModelCardSettings(task="two")}

    assert find_model_card(cards, "a/m.onnx").task == "one"
    assert find_model_card(cards, "b/m.onnx").task == "two"
    assert find_model_card({}, "m.onnx") == ModelCardSettings()


@pytest.mark.parametrize("approach", APPROACHES)
def test_every_approach_of_cyclonedx_is_known(approach: str) -> None:
    assert cards({"m": {"approach": approach}})["m"].approach == approach


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ("text", "wrong setting in x: model-cards: m"),
        ({"taks": "classification"}, "unknown setting in x: model-cards: m: taks"),
        ({"task": 1}, "wrong setting in x: model-cards: m: task"),
        ({"users": "one"}, "wrong setting in x: model-cards: m: users"),
        ({"approach": "magic"}, "wrong setting in x: model-cards: m: approach"),
        ({"risks": ["unfair"]}, "wrong setting in x: model-cards: m: risks"),
        ({"risks": {"unfair": 1}}, "wrong setting in x: model-cards: m: risks: unfair"),
    ],
)
def test_wrong_card_is_refused(card: object, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        cards({"m": card})
    assert caught.value.message == said


def test_documented_settings_are_accepted() -> None:
    page = Path(__file__).parents[4] / "docs" / "reference" / "bills-of-materials.md"
    text = page.read_text("utf-8")
    block = text.partition("```toml")[2].partition("```")[0]
    settings = read_settings({"pyproject.toml": block.encode()}, "docs")
    (card,) = settings.model_cards.values()

    assert all(getattr(card, name) for name in card.__dataclass_fields__)
