"""The content of a metric: text, by the rule of DVC, which reads no other metric."""

from __future__ import annotations

import os

from resources.dvc.graph.manifest import Out, Stage
from resources.errors import StageError

_BLOCK = 512
_TEXT = bytes(range(32, 127)) + b"\n\r\t\f\b"
_MOST_OTHERS = 0.3  # of all bytes


def refuse_binary(stage: Stage, out: Out, path: str) -> None:
    """Refuse a metric that DVC takes for a binary file. A directory is none.

    Raises:
        StageError: the first bytes hold a NUL, or too many bytes that are not printable ASCII.
    """
    if os.path.isdir(path):
        return
    with open(path, "rb") as stream:
        block = stream.read(_BLOCK)
    if not is_text(block):
        raise StageError(
            f"{stage.name}: binary file cannot be a metric: {out.location}",
            "write metrics as JSON, YAML or TOML, mostly in ASCII",
        )


def is_text(block: bytes) -> bool:
    """Whether DVC takes a file with these first bytes for text."""
    others = block.translate(None, _TEXT)
    return not block or (b"\0" not in block and len(others) / len(block) <= _MOST_OTHERS)
