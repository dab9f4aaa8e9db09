"""The model name: file names that machine-learning models have."""

from __future__ import annotations

import posixpath

#: Suffixes of formats that hold models, or that a loader may run code from.
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
_COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".lz4", ".z")


def looks_like_model(location: str) -> bool:
    """Return whether a path has a model's suffix, compressed or not."""
    name = posixpath.basename(location).lower()
    for suffix in _COMPRESSED:
        name = name.removesuffix(suffix)
    return posixpath.splitext(name)[1] in MODEL_SUFFIXES
