"""The configuration of a Keras model: layers by name, without code.

`Lambda` holds marshalled code, some layers load files of their choice, and a module outside Keras
is imported. So the classes come from the modules of Keras, without those layers.
"""

from __future__ import annotations

import re
from typing import Any

from security.content.document import DocumentError, parse_json
from security.model_scan.examination import Examination
from security.model_scan.report import ScanLocation, ScanSeverity, UnscannedError, quote

_MODULE = re.compile(
    r"(keras|tf_keras|tensorflow\.keras|tensorflow\.python\.keras)(\.src|\.api)?"
    r"(\.(layers|models|optimizers|losses|metrics|initializers|regularizers|constraints|activations"
    r"|ops|dtype_policies|random|backend|engine)(\.\w+)*)?",
    re.ASCII,
)
#: Classes that run code of the file, or load a file of its choice.
_RUNNING = frozenset(
    (
        "__lambda__ function lambda slicingoplambda tfoplambda torchmodulewrapper tfsmlayer"
        " jaxlayer flaxlayer keraslayer"
    ).split()
)
_READING = frozenset({"vocabulary", "idf_weights", "weights_path", "filepath", "proto"})
_MOST_BYTES = 64 << 20


def judge_config(examination: Examination, text: bytes, where: ScanLocation) -> None:
    """Scan a configuration: no layer with code, no module outside Keras, no file to read.

    Raises:
        UnscannedError: the text is not JSON.
    """
    try:
        pending: list[Any] = [parse_json(text, _MOST_BYTES)]
    except DocumentError as error:
        raise UnscannedError("Keras configuration that is not JSON", where) from error
    while pending:
        part = pending.pop()
        if isinstance(part, list):
            pending.extend(part)
        elif isinstance(part, dict):
            pending.extend(part.values())
            wrong = _find_wrong(part)
            if wrong is not None:
                message = f"loading makes a Keras object that runs code or reads a file: {wrong}"
                examination.find("keras-config", ScanSeverity.HIGH, message, where, wrong)


def _find_wrong(part: dict[str, Any]) -> str | None:
    """Return the class, module or path that is not allowed; None if all are."""
    name, module = part.get("class_name"), part.get("module")
    if name is not None:
        if not isinstance(name, str) or name.lower().rpartition(">")[2] in _RUNNING:
            return quote(str(name))
        if module is not None and not (isinstance(module, str) and _MODULE.fullmatch(module)):
            return quote(f"{module}.{name}")
    for key in _READING:
        if isinstance(part.get(key), str) and part[key]:
            return quote(f"{key}: {part[key]}")
    if "py/object" in part or "__reduce__" in part:
        return "py/object"
    return None
