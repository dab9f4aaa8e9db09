"""The settings of model cards: ``[tool.ml-assets.model-cards."PATTERN"]``.

A table holds for the models whose locations its pattern matches, and states what no file says.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass

from security.content.table import Table

#: What CycloneDX knows as ways to learn.
APPROACHES = (
    "supervised",
    "unsupervised",
    "reinforcement-learning",
    "semi-supervised",
    "self-supervised",
)


@dataclass(frozen=True)
class ModelCardSettings:
    """What a project states about a model.

    Attributes:
        approach: one of ``APPROACHES``.
        algorithm: the model's architecture, such as a class of a library.
        family: the kind of algorithm.
        inputs: formats of what the model takes; ``outputs`` of what it gives.
        risks: ethical considerations by name, each with what is done about it.
        license: of the model: an identifier or expression of SPDX.
        datasets: patterns of inputs kept in Git that are data sets.
        metrics: metrics files; empty takes those of the stages that write or read the model.
        performance: the report of a performance test, if there is one.
    """

    task: str | None = None
    approach: str | None = None
    algorithm: str | None = None
    family: str | None = None
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    use_cases: tuple[str, ...] = ()
    limitations: tuple[str, ...] = ()
    tradeoffs: tuple[str, ...] = ()
    risks: tuple[tuple[str, str], ...] = ()
    license: str | None = None
    datasets: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    performance: str | None = None


def parse_model_cards(table: Table) -> dict[str, ModelCardSettings]:
    """Parse the settings of model cards.

    Raises:
        ConfigurationError: a setting is unknown, or of another type or range.
    """
    return {pattern: _card(card) for pattern, card in table.tables().items()}


def find_model_card(cards: Mapping[str, ModelCardSettings], location: str) -> ModelCardSettings:
    """Return what is stated about a model: by the first pattern that it matches."""
    for pattern, card in cards.items():
        if fnmatch.fnmatchcase(location, pattern):
            return card
    return ModelCardSettings()


def _card(table: Table) -> ModelCardSettings:
    card = ModelCardSettings(
        task=table.text("task"),
        approach=table.text("approach"),
        algorithm=table.text("algorithm"),
        family=table.text("family"),
        inputs=table.texts("inputs"),
        outputs=table.texts("outputs"),
        users=table.texts("users"),
        use_cases=table.texts("use-cases"),
        limitations=table.texts("limitations"),
        tradeoffs=table.texts("tradeoffs"),
        risks=_risks(table.table("risks")),
        license=table.text("license"),
        datasets=table.texts("datasets"),
        metrics=table.texts("metrics"),
        performance=table.text("performance"),
    )
    table.refuse_unknown()
    if card.approach is not None and card.approach not in APPROACHES:
        raise table.unlike("approach", f"one of {', '.join(APPROACHES)}")
    return card


def _risks(table: Table) -> tuple[tuple[str, str], ...]:
    return tuple((name, table.text(name) or "") for name in table.keys())
