"""The model file, in ONNX: loading it runs no code, and writing it is reproducible.

Inputs: ``categories`` (text, ``[rows, 4]``) and ``numbers`` (float32, ``[rows, 20]``, NaN if
unknown). Outputs: ``label`` and ``probabilities`` (``[rows, 2]``). The metadata has the names of
the columns, so a model never gets other columns than in training.
"""

from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import onnxruntime
import pandas as pd

from flight_delays.columns import require_columns
from flight_delays.errors import ModelError
from flight_delays.schema import CATEGORIES, NUMBERS

CATEGORIES_PROPERTY = "flight_delays.categories"
NUMBERS_PROPERTY = "flight_delays.numbers"
_SEPARATOR = ","

Probabilities = npt.NDArray[np.float64]


class DelayModel(Protocol):
    """A model that predicts the probability of a late arrival."""

    def probabilities(self, flights: pd.DataFrame) -> Probabilities:
        """Return the probability of a late arrival of each row, shape ``[rows]``."""
        ...


class OnnxModel:
    """A model file in ONNX Runtime, with one thread by default."""

    def __init__(self, content: bytes, *, threads: int = 1) -> None:
        """Load the model.

        Args:
            content: The bytes of the model file.
            threads: Number of threads for one call.

        Raises:
            ModelError: The bytes are not a model, or the model has other columns.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Errors only: the library raises real problems, and its warnings do not help users.
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the library's errors have no common base class
            raise ModelError(
                f"not a model that ONNX Runtime can load: {error}",
                hint="produce it again with: dvc repro --force train_models",
            ) from error
        self._require_columns()

    def probabilities(self, flights: pd.DataFrame) -> Probabilities:
        """Return the probability of a late arrival of each row, shape ``[rows]``.

        Raises:
            ModelError: The model does not return one probability for each row.
            DataError: The flights lack a column.
        """
        return self.ask(*build_tensors(flights))

    def ask(
        self, categories: npt.NDArray[np.object_], numbers: npt.NDArray[np.float32]
    ) -> Probabilities:
        """Return the probability of a late arrival for prepared tensors.

        Raises:
            ModelError: The model does not return one probability for each row.
        """
        feed = {"categories": categories, "numbers": numbers}
        (answer,) = self._session.run(["probabilities"], feed)
        late = np.asarray(answer, dtype=np.float64)[:, 1]
        if late.shape != (len(numbers),) or not bool(((late >= 0) & (late <= 1)).all()):
            raise ModelError(
                "model did not return one probability for each row",
                hint="produce it again with: dvc repro --force train_models",
            )
        return late

    def _require_columns(self) -> None:
        known = self._session.get_modelmeta().custom_metadata_map
        expected = column_properties()
        for name, columns in expected.items():
            if known.get(name) != columns:
                raise ModelError(
                    f"model has other columns: {name}: {known.get(name)}",
                    hint="train it again with the current features: dvc repro train_models",
                )


def load_model(path: Path, *, threads: int = 1) -> OnnxModel:
    """Load a model file.

    Raises:
        ModelError: The file is missing or not a model, or the model has other columns.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"cannot read the model: {path}: {error.strerror}",
            hint="produce it with: dvc repro",
        ) from error
    return OnnxModel(content, threads=threads)


def build_tensors(
    flights: pd.DataFrame,
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.float32]]:
    """Return the input tensors of the model: categories and numbers.

    Raises:
        DataError: The flights lack a column.
    """
    require_columns(flights, [*CATEGORIES, *NUMBERS], "flights")
    categories = flights[list(CATEGORIES)].to_numpy(dtype=np.object_)
    numbers = flights[list(NUMBERS)].to_numpy(dtype=np.float32)
    return categories, np.ascontiguousarray(numbers)


def column_properties() -> dict[str, str]:
    """Return the metadata properties with the columns of a model."""
    return {
        CATEGORIES_PROPERTY: _SEPARATOR.join(CATEGORIES),
        NUMBERS_PROPERTY: _SEPARATOR.join(NUMBERS),
    }
