"""Models, arrays and frames as people save them."""

from __future__ import annotations

import collections
import datetime
import decimal
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import (
    AdaBoostClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression, PoissonRegressor, SGDClassifier
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, StratifiedKFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier, LocalOutlierFactor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    QuantileTransformer,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

ROWS = 60
X = np.random.default_rng(0).normal(size=(ROWS, 4))
Y = (X[:, 0] > 0).astype(int)

CORE: dict[str, BaseEstimator] = {
    "logistic": LogisticRegression(),
    "gradient-boosting": GradientBoostingClassifier(n_estimators=3),
    "hist-gradient-boosting": HistGradientBoostingClassifier(max_iter=3),
    "random-forest": RandomForestClassifier(3),
    "pipeline": make_pipeline(StandardScaler(), LogisticRegression()),
}
OTHERS: dict[str, BaseEstimator] = {
    "ada-boost": AdaBoostClassifier(n_estimators=2),
    "calibrated": CalibratedClassifierCV(LogisticRegression(), cv=2),
    "calibrated-isotonic": CalibratedClassifierCV(LogisticRegression(), cv=2, method="isotonic"),
    "exponential": GradientBoostingClassifier(n_estimators=2, loss="exponential"),
    "forest-of-isolation": IsolationForest(n_estimators=3),
    "gaussian-process": GaussianProcessClassifier(),
    "grid": GridSearchCV(
        LogisticRegression(), {"C": [1, 2]}, cv=StratifiedKFold(2), scoring="accuracy"
    ),
    "huber": GradientBoostingRegressor(n_estimators=2, loss="huber"),
    "imputer": make_pipeline(SimpleImputer(), KNNImputer(), PCA(2), GaussianNB()),
    "isotonic": make_pipeline(SelectKBest(k=1), IsotonicRegression(out_of_bounds="clip")),
    "k-means": KMeans(2, n_init=1),
    "log": make_pipeline(FunctionTransformer(np.square), LogisticRegression()),
    "multilayer": MLPClassifier((3,), max_iter=400),
    "neighbours-ball": KNeighborsClassifier(algorithm="ball_tree"),
    "neighbours-kd": KNeighborsClassifier(algorithm="kd_tree"),
    "one-vs-rest": OneVsRestClassifier(SVC()),
    "outliers": LocalOutlierFactor(novelty=True),
    "poisson": PoissonRegressor(),
    "quantile": HistGradientBoostingRegressor(max_iter=2, loss="quantile", quantile=0.5),
    "random-search": RandomizedSearchCV(
        LogisticRegression(), {"C": [1, 2]}, n_iter=1, cv=2, random_state=np.random.RandomState(1)
    ),
    "sgd": make_pipeline(KBinsDiscretizer(2), SGDClassifier(loss="log_loss")),
    "splines": make_pipeline(SplineTransformer(), TruncatedSVD(2), DecisionTreeClassifier()),
    "stacking": StackingClassifier([("a", LogisticRegression())], cv=2),
    "target": make_pipeline(TargetEncoder(cv=2), QuantileTransformer(n_quantiles=10), GaussianNB()),
    "voting": VotingClassifier([("a", LogisticRegression()), ("b", GaussianNB())]),
}


def frame() -> pd.DataFrame:
    """Make a frame with columns of many types."""
    return pd.DataFrame(
        {
            "a": X[:, 0],
            "b": ["x", "y"] * (ROWS // 2),
            "c": pd.Categorical(["u", "v"] * (ROWS // 2)),
            "d": pd.date_range("2020", periods=ROWS),
            "e": pd.array([1, None] * (ROWS // 2), dtype="Int64"),
            "f": [True, False] * (ROWS // 2),
        }
    )


def columns() -> Pipeline:
    """Fit the pipeline that most tables get."""
    return make_pipeline(
        ColumnTransformer(
            [
                ("numbers", StandardScaler(), make_column_selector(dtype_include=np.number)),
                ("words", OneHotEncoder(handle_unknown="ignore"), ["b"]),
                ("order", OrdinalEncoder(), ["b"]),
            ],
            remainder="passthrough",
        ),
        LogisticRegression(),
    ).fit(frame()[["a", "b", "f"]], Y)


def plain() -> dict[str, Any]:
    """Make values of numpy, pandas, scipy and the standard library."""
    words = ["one two", "three two"] * 3
    return {
        "array": X,
        "array-of-objects": np.array(["a", None, 1], dtype=object),
        "array-fortran": np.asfortranarray(X),
        "array-structured": np.zeros(3, dtype=[("a", "f4"), ("b", "S3"), ("c", "i2", (2,))]),
        "array-of-dates": np.array(["2020"], dtype="M8[D]"),
        "array-of-text": np.array(["abc", "é"]),
        "array-empty": np.zeros((0, 3)),
        "array-masked": np.ma.array([1, 2], mask=[0, 1]),
        "arrays-in-dict": {"weights": X, "more": [Y, {"bias": np.float64(3)}]},
        "scalars": [np.float32(1), np.int64(2), np.bool_(True), np.str_("a"), 1j, 2**100, None],
        "frame": frame(),
        "frame-indexed": frame().set_index(["b", "d"]),
        "series": frame()["a"],
        "indexes": [pd.RangeIndex(3), pd.MultiIndex.from_product([[1], ["a"]]), pd.Timestamp(0)],
        "sparse": [scipy.sparse.csr_matrix(X), scipy.sparse.coo_matrix(X)],
        "standard": [
            collections.OrderedDict(a=1),
            collections.defaultdict(list, a=[1]),
            collections.Counter("ab"),
            collections.deque([1]),
            datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc),
            datetime.date(2020, 1, 1),
            decimal.Decimal(1),
            {1, 2},
            frozenset([1]),
            bytearray(b"x"),
            slice(1, 2),
            range(3),
            "x" * 100_000,
            b"y" * 100_000,
        ],
        "random-states": [np.random.RandomState(1), np.random.default_rng(1)],
        "words": make_pipeline(TfidfVectorizer(), MultinomialNB()).fit(words, [0, 1] * 3),
        "hashed-words": make_pipeline(HashingVectorizer(n_features=16), SGDClassifier()).fit(
            words, [0, 1] * 3
        ),
        "columns": columns(),
    }


@cache
def benign() -> dict[str, Any]:
    """Fit and make everything once."""
    return {**{name: one.fit(X, Y) for name, one in {**CORE, **OTHERS}.items()}, **plain()}


NAMES = [*CORE, *OTHERS] + (
    "array array-of-objects array-fortran array-structured array-of-dates array-of-text"
    " array-empty array-masked arrays-in-dict scalars frame frame-indexed series indexes sparse"
    " standard random-states words hashed-words columns"
).split()
