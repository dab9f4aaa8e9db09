"""The text of one record: JSON or YAML, parsed into plain values."""

from __future__ import annotations

import json

from security.advisories.errors import MalformedAdvisoryError
from security.content.document import DocumentError
from security.content.yaml_text import parse_yaml

SUFFIXES = (".json", ".yaml", ".yml")


def parse_record_text(content: bytes, where: str) -> object:
    """Parse one record by the suffix of its name.

    Raises:
        MalformedAdvisoryError: the record is not JSON, or not YAML without aliases and tags.
    """
    if where.lower().endswith(".json"):
        return _parse_json(content, where)
    try:
        return parse_yaml(content)
    except DocumentError as error:
        raise MalformedAdvisoryError(where, error.message) from None


def _parse_json(content: bytes, where: str) -> object:
    try:
        return json.loads(content)
    except RecursionError:
        raise MalformedAdvisoryError(where, "nested too deeply") from None
    except ValueError as error:  # syntax, encoding, or a number with too many digits
        raise MalformedAdvisoryError(where, f"not JSON: {error}") from None
