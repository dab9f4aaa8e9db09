"""Model card settings: ``[tool.ml-assets.model-cards."PATTERN"]``."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from security.content.setting import setting

#: The learning approaches of CycloneDX 1.6.
Approach = Literal[
    "supervised",
    "unsupervised",
    "reinforcement-learning",
    "semi-supervised",
    "self-supervised",
]
APPROACHES: tuple[str, ...] = get_args(Approach)


@dataclass(frozen=True)
class ModelCardSettings:
    """The model card of the models that match the pattern, for their bill of materials.

    The first table that matches counts.
    """

    task: str | None = setting(None, "Task of the model.", example='"classification"')
    approach: Approach | None = setting(None, "Learning approach.", example='"supervised"')
    algorithm: str | None = setting(
        None,
        "Architecture, such as a class of a library.",
        example='"sklearn.ensemble.HistGradientBoostingClassifier"',
    )
    family: str | None = setting(
        None, "Family of the algorithm.", example='"gradient boosted trees"'
    )
    inputs: tuple[str, ...] = setting((), "Formats of the inputs.", example='["float32[n, 16]"]')
    outputs: tuple[str, ...] = setting((), "Formats of the outputs.", example='["float32[n, 2]"]')
    users: tuple[str, ...] = setting((), "Intended users.", example='["dispatchers"]')
    use_cases: tuple[str, ...] = setting(
        (), "Intended uses.", example='["planning of the next day"]'
    )
    limitations: tuple[str, ...] = setting(
        (), "Technical limitations.", example='["knows the year 2013 only"]'
    )
    tradeoffs: tuple[str, ...] = setting(
        (), "Performance tradeoffs.", example='["a larger model would be more precise, and slower"]'
    )
    risks: Mapping[str, str] = setting(
        {},
        "Ethical considerations: each risk with its mitigation.",
        example='{ "bias against a carrier" = "the error is measured by carrier" }',
    )
    license: str | None = setting(
        None, "SPDX identifier or expression of the model's license.", example='"Apache-2.0"'
    )
    datasets: tuple[str, ...] = setting(
        (), "Patterns of files in Git that are data sets.", example='["data/*.csv"]'
    )
    metrics: tuple[str, ...] = setting(
        (),
        "Metrics files of the model.",
        unset="metrics of the stages that write or read the model",
        example='["reports/metrics.json"]',
    )
    performance: str | None = setting(
        None, "Report of a performance test.", example='"reports/performance.json"'
    )


def find_model_card(cards: Mapping[str, ModelCardSettings], location: str) -> ModelCardSettings:
    """Return the first card with a pattern that matches the model's location."""
    for pattern, card in cards.items():
        if fnmatch.fnmatchcase(location, pattern):
            return card
    return ModelCardSettings()
