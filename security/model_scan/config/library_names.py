"""Names that well-known libraries write into the configuration of their models.

A loader imports such a name and calls it. Each pattern ends in a class of the library that builds a
part of a model from plain values; functions and modules of the same packages match none.
"""

from __future__ import annotations

import re

_CLASS = r"[A-Z][A-Za-z0-9_]*"
_PATH = r"(\.[a-z_][a-z0-9_]*)*"
_ALLOWED = re.compile(
    "|".join(
        (
            rf"nemo\.(collections|core){_PATH}\.{_CLASS}",
            r"omegaconf\.(DictConfig|ListConfig)",
            rf"(ldm|sgm)\.(data|models|modules|lr_scheduler){_PATH}\.{_CLASS}",
            rf"(pytorch_lightning|lightning\.pytorch)(\.(callbacks|loggers)({_PATH}))?\.{_CLASS}",
            rf"pylate\.models{_PATH}\.{_CLASS}",
            r"sentence_transformers(\.(base|cross_encoder|sentence_transformer|sparse_encoder))?"
            rf"\.(models|modules){_PATH}(\.{_CLASS}){{1,2}}",
            r"torch\.(float|bfloat|int|uint|complex)[0-9a-z_]+|torch\.(bool|half|double|long)",
            rf"torch\.nn\.(modules{_PATH}\.)?(?!DataParallel){_CLASS}",
            rf"torch\.optim(\.lr_scheduler)?(\.[a-z_]+)*\.{_CLASS}",
            rf"torchmetrics{_PATH}\.{_CLASS}",
            rf"transformers(\.activations|\.models{_PATH})?\.{_CLASS}",
            rf"(uni2ts|gluonts){_PATH}\.{_CLASS}",
        )
    )
)
_MLFLOW = re.compile(rf"mlflow{_PATH}")
#: Layers and objects of Keras that run code, load other files, or unpickle.
_KERAS_REFUSED = re.compile(
    r"__lambda__|Lambda|FlaxLayer|JaxLayer|TFSMLayer|TorchModuleWrapper|.*OpLambda|__typespec__"
)
_KERAS_NAME = re.compile(r"(?:[A-Za-z0-9_. -]+>)?(?:[A-Za-z][A-Za-z0-9_]*|__[a-z]+__)")
_KERAS_MODULE = re.compile(r"(keras|tf_keras|keras_hub|keras_nlp|keras_cv)(\.[a-z0-9_]+)*")
#: Python's own types that Keras writes; a function is one of Keras' by its name in ``config``.
_BUILTIN = frozenset(
    {"bool", "bytes", "dict", "float", "function", "int", "list", "slice", "str", "tuple"}
)
_ATTENTION = frozenset(
    {
        "eager",
        "flash_attention_2",
        "flash_attention_3",
        "flex_attention",
        "flash_attention_2_paged",
        "eager_paged",
        "sdpa",
        "sdpa_paged",
    }
)


def is_library_name(name: str) -> bool:
    """Say whether a dotted name is one that a library writes."""
    return _ALLOWED.fullmatch(name) is not None


def is_mlflow_module(name: str) -> bool:
    """Say whether MLflow loads a model with a module of its own."""
    return _MLFLOW.fullmatch(name) is not None


def is_keras_class(name: str, module: str | None) -> bool:
    """Say whether a class of Keras is one that only computes."""
    if module == "builtins":
        return name in _BUILTIN
    return (
        _KERAS_REFUSED.fullmatch(name.rpartition(">")[2]) is None
        and _KERAS_NAME.fullmatch(name) is not None
        and (module is None or _KERAS_MODULE.fullmatch(module) is not None)
    )


def is_attention(name: str) -> bool:
    """Say whether an implementation of attention comes with transformers."""
    return name in _ATTENTION
