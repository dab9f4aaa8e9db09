"""The training of one candidate: fit, export, compare the export, score on the train split."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from flight_delays.candidates import build_candidate
from flight_delays.prepared_data import labels_of
from flight_delays.schema import CATEGORIES, NUMBERS, WEATHER
from flight_delays.onnx_export import export_model, require_agreement, training_table
from flight_delays.onnx_model import OnnxModel
from flight_delays.parameters import Section
from flight_delays.scores import score


@dataclass(frozen=True)
class TrainingParameters:
    """The training parameters of all candidates.

    Attributes:
        seed: Seed of all random choices.
        threads: Threads of linear algebra and trees. Another number may change the last bits.
        hidden_weather: Share of training flights with hidden weather. The data has hardly any
            flights without an observation, and predictions for these would be far off.
    """

    seed: int
    threads: int
    hidden_weather: float


def training_parameters_of(section: Section) -> TrainingParameters:
    """Return the parameters of training.

    Raises:
        ParameterError: A parameter is missing or invalid.
    """
    return TrainingParameters(
        seed=section.integer("seed"),
        threads=section.integer("threads", least=1),
        hidden_weather=section.number("hidden_weather"),
    )


@dataclass(frozen=True)
class TrainedCandidate:
    """A trained candidate.

    Attributes:
        content: The bytes of its ONNX file.
        description: Its parameters, and its scores on the train split.
    """

    content: bytes
    description: dict[str, object]


def train_candidate(
    name: str, section: Section, flights: pd.DataFrame, training: TrainingParameters
) -> TrainedCandidate:
    """Train a candidate on labelled flights.

    Args:
        name: See `candidates.build_candidate`.
        section: Its parameters.
        flights: Rows of the train split.
        training: The training parameters of all candidates.

    Raises:
        ParameterError: The candidate is unknown, or a parameter is invalid.
        ModelError: The exported model differs from the trained one.
    """
    pipeline = build_candidate(name, section, seed=training.seed)
    labels = labels_of(flights)
    shown = hide_weather(flights, training.hidden_weather, seed=training.seed)
    with threadpool_limits(limits=training.threads):
        pipeline.fit(training_table(shown), labels)
        content = export_model(pipeline)
        require_agreement(pipeline, content, flights)
    probabilities = OnnxModel(content, threads=training.threads).probabilities(flights)
    return TrainedCandidate(
        content=content,
        description={
            "candidate": name,
            "categories": len(CATEGORIES),
            "numbers": len(NUMBERS),
            "bytes": len(content),
            "train": score(labels, probabilities).rounded(),
        },
    )


def hide_weather(flights: pd.DataFrame, share: float, *, seed: int) -> pd.DataFrame:
    """Return the flights, with the weather hidden for about this share of them."""
    shown = flights.copy()
    hidden = np.random.default_rng(seed).random(len(flights)) < share
    shown.loc[hidden, list(WEATHER)] = np.nan
    return shown
