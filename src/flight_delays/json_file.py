"""Own the JSON files that the stages write: the same bytes for the same values."""

import json
from collections.abc import Mapping
from pathlib import Path


def write_json(content: Mapping[str, object], path: Path) -> None:
    """Write a document in the order of its keys, whole or not at all.

    Raises:
        ValueError: A number is not finite; JSON has no word for it.
    """
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
