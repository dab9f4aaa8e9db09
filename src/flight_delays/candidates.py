"""The candidates: the scikit-learn pipelines, one of which becomes the model.

Each takes one table: first the categories as text, then the numbers, NaN if unknown. Each is
deterministic for a seed and a number of threads, and converts to ONNX exactly.
"""

from dataclasses import dataclass

from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, TargetEncoder

from flight_delays.errors import ParameterError
from flight_delays.schema import CATEGORIES, NUMBERS
from flight_delays.parameters import Section

_CATEGORY_POSITIONS = list(range(len(CATEGORIES)))
_NUMBER_POSITIONS = list(range(len(CATEGORIES), len(CATEGORIES) + len(NUMBERS)))


@dataclass(frozen=True)
class LogisticRegressionParameters:
    """The parameters of the linear candidate.

    Attributes:
        inverse_regularization: Larger values regularize less.
        iterations: Maximum number of solver steps.
    """

    inverse_regularization: float
    iterations: int


@dataclass(frozen=True)
class GradientBoostingParameters:
    """The parameters of the boosted trees.

    Attributes:
        iterations: Number of trees.
        learning_rate: Weight of each tree.
        leaves: Maximum number of leaves in a tree.
        leaf_flights: Minimum number of flights in a leaf.
        encoder_folds: Folds of the target encoder, so that a flight's own outcome never encodes it.
    """

    iterations: int
    learning_rate: float
    leaves: int
    leaf_flights: int
    encoder_folds: int


def build_candidate(name: str, section: Section, *, seed: int) -> Pipeline:
    """Return an unfitted candidate.

    Args:
        name: ``logistic_regression`` or ``gradient_boosting``.
        section: Its parameters.
        seed: Seed of its random choices.

    Raises:
        ParameterError: The candidate is unknown, or a parameter is missing or invalid.
    """
    match name:
        case "logistic_regression":
            return build_logistic_regression(
                LogisticRegressionParameters(
                    inverse_regularization=section.number("inverse_regularization"),
                    iterations=section.integer("iterations", least=1),
                )
            )
        case "gradient_boosting":
            return build_gradient_boosting(
                GradientBoostingParameters(
                    iterations=section.integer("iterations", least=1),
                    learning_rate=section.number("learning_rate"),
                    leaves=section.integer("leaves", least=2),
                    leaf_flights=section.integer("leaf_flights", least=1),
                    encoder_folds=section.integer("encoder_folds", least=2),
                ),
                seed=seed,
            )
        case _:
            raise ParameterError(
                f"unknown candidate: {name}",
                hint="use logistic_regression or gradient_boosting",
            )


def build_logistic_regression(parameters: LogisticRegressionParameters) -> Pipeline:
    """Return a logistic regression on one-hot categories and scaled numbers."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    columns = ColumnTransformer(
        [
            ("categories", OneHotEncoder(handle_unknown="ignore"), _CATEGORY_POSITIONS),
            ("numbers", numbers, _NUMBER_POSITIONS),
        ]
    )
    classifier = LogisticRegression(
        C=parameters.inverse_regularization, max_iter=parameters.iterations
    )
    return make_pipeline(columns, classifier)


def build_gradient_boosting(parameters: GradientBoostingParameters, *, seed: int) -> Pipeline:
    """Return boosted trees on target-encoded categories and unchanged numbers."""
    folds = StratifiedKFold(parameters.encoder_folds, shuffle=True, random_state=seed)
    columns = ColumnTransformer(
        [
            ("categories", TargetEncoder(cv=folds), _CATEGORY_POSITIONS),
            ("numbers", "passthrough", _NUMBER_POSITIONS),
        ]
    )
    classifier = HistGradientBoostingClassifier(
        max_iter=parameters.iterations,
        learning_rate=parameters.learning_rate,
        max_leaf_nodes=parameters.leaves,
        min_samples_leaf=parameters.leaf_flights,
        # Early stopping would validate on a random part of the rows.
        early_stopping=False,
        random_state=seed,
    )
    return make_pipeline(columns, classifier)
