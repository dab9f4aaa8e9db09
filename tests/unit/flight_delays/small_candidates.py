"""Own the small candidates that the unit tests train in a moment."""

from flight_frames import prepared_table

from flight_delays.parameters import Section
from flight_delays.training import TrainedCandidate, TrainingParameters, train_candidate

TRAINING = TrainingParameters(seed=1, threads=1, hidden_weather=0.05)
SECTIONS = {
    "logistic_regression": {"inverse_regularization": 1.0, "iterations": 200},
    "gradient_boosting": {
        "iterations": 10,
        "learning_rate": 0.1,
        "leaves": 7,
        "leaf_flights": 20,
        "encoder_folds": 3,
    },
}


def train(name: str) -> TrainedCandidate:
    """Train the candidate of that name on the small prepared table."""
    return train_candidate(name, Section(name, SECTIONS[name]), prepared_table(), TRAINING)
