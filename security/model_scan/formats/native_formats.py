"""The registry of formats that hold only numbers and texts for their own loader.

Each format is one entry: what starts like it, and what scans it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from security.model_scan.byte_stream import ByteContent
from security.model_scan.examination import Examination
from security.model_scan.formats.catboost_cbm import judge_cbm, starts_like_cbm
from security.model_scan.formats.gguf_model import judge_gguf, starts_like_gguf
from security.model_scan.formats.hdf5_file import judge_hdf5, starts_like_hdf5
from security.model_scan.formats.lightgbm_text import judge_lightgbm, starts_like_lightgbm
from security.model_scan.formats.tflite_model import judge_tflite, starts_like_tflite
from security.model_scan.formats.xgboost_ubj import judge_ubj, starts_like_ubj
from security.model_scan.report import Format, ScanLocation


@dataclass(frozen=True, slots=True)
class NativeFormat:
    """A format of one library.

    Attributes:
        title: what people call it.
        refused: what in a file of this format is refused.
        starts: whether the first bytes of a file, and its size, are of this format.
        judge: scans content.
    """

    format: Format
    title: str
    refused: str
    starts: Callable[[bytes, int | None], bool]
    judge: Callable[[Examination, ByteContent, ScanLocation], Format]


NATIVE = (
    NativeFormat(
        Format.LIGHTGBM,
        "LightGBM text",
        "indexes of children, features or categories out of range; trees of other sizes",
        starts_like_lightgbm,
        judge_lightgbm,
    ),
    NativeFormat(
        Format.XGBOOST_UBJ,
        "XGBoost UBJSON",
        "indexes or lengths out of range; other UBJSON",
        starts_like_ubj,
        judge_ubj,
    ),
    NativeFormat(
        Format.CATBOOST,
        "CatBoost cbm",
        "offsets outside the file; trees whose numbers disagree",
        starts_like_cbm,
        judge_cbm,
    ),
    NativeFormat(
        Format.GGUF,
        "GGUF",
        "lengths or offsets outside the file; a chat template that reaches for Python's attributes",
        starts_like_gguf,
        judge_gguf,
    ),
    NativeFormat(
        Format.TFLITE,
        "TensorFlow Lite",
        "offsets or indexes out of range; operators outside TensorFlow Lite",
        starts_like_tflite,
        judge_tflite,
    ),
    NativeFormat(
        Format.HDF5,
        "HDF5",
        "data outside the file or in others; plug-ins; Keras layers with code; pickled attributes",
        starts_like_hdf5,
        judge_hdf5,
    ),
)
BY_FORMAT = {one.format: one for one in NATIVE}
