"""The file names of machine-learning models."""

from __future__ import annotations

import posixpath

#: Suffixes of formats for models, also of those that run code when they are loaded.
MODEL_SUFFIXES = frozenset(
    {
        ".bin",
        ".ckpt",
        ".cloudpickle",
        ".dill",
        ".h5",
        ".joblib",
        ".keras",
        ".mar",
        ".npy",
        ".npz",
        ".onnx",
        ".pickle",
        ".pkl",
        ".pt",
        ".pth",
        ".safetensors",
        ".skops",
    }
)
#: Suffixes of the above that other data has as well.
_SHARED = frozenset({".bin", ".h5", ".npy", ".npz"})
_COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".lz4", ".z")


def looks_like_model(location: str) -> bool:
    """Say whether a path has the suffix of a model, compressed or not."""
    name = posixpath.basename(location).lower()
    for suffix in _COMPRESSED:
        name = name.removesuffix(suffix)
    return posixpath.splitext(name)[1] in MODEL_SUFFIXES


def is_model_name(location: str) -> bool:
    """Say whether a path has a suffix that only models have, compressed or not."""
    return looks_like_model(location) and not any(
        location.lower().endswith((suffix, *(suffix + one for one in _COMPRESSED)))
        for suffix in _SHARED
    )
