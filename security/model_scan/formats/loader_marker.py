"""Markers of loaders: texts in the raw bytes of a file without which no loader makes code of it."""

from __future__ import annotations

from collections.abc import Collection

from security.model_scan.byte_stream import ByteContent

#: Names in zip archives that loaders open; a directory stores names as they are.
ZIP_NAMES = (
    b".ckpt",
    b".joblib",
    b".npy",
    b".pickle",
    b".pkl",
    b".pt",
    b"schema.json",
    b"weights.h5",
)
#: Keras stores layers as JSON in attributes, which HDF5 does not compress.
KERAS = (b"class_name", b"keras_version", b"model_config", b"training_config")
_CHUNK = 1 << 20


def holds(content: ByteContent, markers: Collection[bytes]) -> bool:
    """Say whether content holds a marker anywhere, in upper or lower case."""
    overlap = max(map(len, markers)) - 1
    stream, tail = content.open(), b""
    while piece := stream.read_some(_CHUNK):
        text = tail + piece.lower()
        if any(marker in text for marker in markers):
            return True
        tail = text[-overlap:]
    return False
