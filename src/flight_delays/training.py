"""Own the training of one candidate: fit, export, prove the export, score what it learned from."""

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
    """Set what holds for every candidate.

    Attributes:
        seed: Of every random choice.
        threads: Of linear algebra and trees. Another number may give other last bits.
        hidden_weather: Share of the flights whose weather is hidden in training, so that a
            flight without an observation, of which there are hardly any to learn from, gets a
            sane answer.
    """

    seed: int
    threads: int
    hidden_weather: float


def training_parameters_of(section: Section) -> TrainingParameters:
    """Return the parameters of training.

    Raises:
        ParameterError: A parameter is missing or wrong.
    """
    return TrainingParameters(
        seed=section.integer("seed"),
        threads=section.integer("threads", least=1),
        hidden_weather=section.number("hidden_weather"),
    )


@dataclass(frozen=True)
class TrainedCandidate:
    """Hold a trained candidate.

    Attributes:
        content: The bytes of its ONNX file.
        description: What it is and how well it fits the flights it learned from.
    """

    content: bytes
    description: dict[str, object]


def train_candidate(
    name: str, section: Section, flights: pd.DataFrame, training: TrainingParameters
) -> TrainedCandidate:
    """Train the candidate of that name on labelled flights.

    Args:
        name: See `candidates.build_candidate`.
        section: Its parameters.
        flights: Rows of the train split.
        training: What holds for every candidate.

    Raises:
        ParameterError: There is no such candidate, or a parameter is wrong.
        ModelError: The exported model does not answer as the trained one does.
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
    """Return the flights, about that share of them without any weather."""
    shown = flights.copy()
    hidden = np.random.default_rng(seed).random(len(flights)) < share
    shown.loc[hidden, list(WEATHER)] = np.nan
    return shown
