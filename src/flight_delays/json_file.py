"""The JSON files of the stages: the same values give the same bytes."""

import json
from collections.abc import Mapping
from pathlib import Path


def write_json(content: Mapping[str, object], path: Path) -> None:
    """Write a document atomically, in the order of its keys.

    Raises:
        ValueError: A number is not finite, which JSON cannot express.
    """
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
