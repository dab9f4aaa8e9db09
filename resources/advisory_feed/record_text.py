"""The text of one record: parses JSON or YAML into plain values.

YAML is parsed from events, not with a loader, for four reasons: the composer of libyaml crashes on
deep nesting, aliases can expand a small file without limit, tags construct objects, and an unquoted
``1.10`` becomes the number 1.1. Here each scalar except null stays text.
"""

from __future__ import annotations

import json
from typing import TypeAlias

import yaml

from security.advisories.errors import MalformedAdvisoryError

DEEPEST = 100
SUFFIXES = (".json", ".yaml", ".yml")
_NULLS = ("", "~", "null", "Null", "NULL")
_Value: TypeAlias = "None | str | list[_Value] | dict[str, _Value]"
_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse_record_text(content: bytes, where: str) -> object:
    """Parse one record by the suffix of its name.

    Raises:
        MalformedAdvisoryError: the record is not JSON, or not YAML without aliases and tags.
    """
    if where.lower().endswith(".json"):
        return _parse_json(content, where)
    return _parse_yaml(content, where)


def _parse_json(content: bytes, where: str) -> object:
    try:
        return json.loads(content)
    except RecursionError:
        raise MalformedAdvisoryError(where, "nested too deeply") from None
    except ValueError as error:  # syntax, encoding, or a number with too many digits
        raise MalformedAdvisoryError(where, f"not JSON: {error}") from None


def _parse_yaml(content: bytes, where: str) -> object:
    builder = _Builder(where)
    try:
        for event in yaml.parse(content, _LOADER):
            builder.add(event)
    except (yaml.YAMLError, ValueError) as error:
        text = " ".join(str(error).split())
        raise MalformedAdvisoryError(where, f"not YAML: {text}") from None
    return builder.result()


class _Builder:
    """Builds a value from parser events with a stack instead of recursion."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._open: list[list[_Value] | dict[str, _Value]] = []
        self._keys: list[str | None] = []
        self._documents: list[_Value] = []

    def result(self) -> _Value:
        """Return the single document."""
        if len(self._documents) != 1:
            raise self._wrong(f"{len(self._documents)} documents instead of one")
        return self._documents[0]

    def add(self, event: yaml.Event) -> None:
        """Add the next event."""
        if isinstance(event, yaml.AliasEvent):
            raise self._wrong("alias not allowed")
        if isinstance(event, yaml.ScalarEvent):
            self._refuse_tag(event.tag)
            plain = event.implicit[0]  # neither quoted nor a block
            self._put(None if plain and event.value in _NULLS else event.value)
        elif isinstance(event, yaml.MappingStartEvent):
            self._start(event.tag, {})
        elif isinstance(event, yaml.SequenceStartEvent):
            self._start(event.tag, [])
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()
            self._keys.pop()

    def _start(self, tag: str | None, value: list[_Value] | dict[str, _Value]) -> None:
        self._refuse_tag(tag)
        self._put(value)
        self._open.append(value)
        self._keys.append(None)
        if len(self._open) > DEEPEST:
            raise self._wrong("nested too deeply")

    def _put(self, value: _Value) -> None:
        if not self._open:
            self._documents.append(value)
            return
        holder = self._open[-1]
        if isinstance(holder, list):
            holder.append(value)
            return
        key = self._keys[-1]
        if key is not None:
            holder[key] = value
            self._keys[-1] = None
        elif not isinstance(value, str):
            raise self._wrong("key not text")
        elif value in holder:
            raise self._wrong(f"duplicate key: {value}")
        else:
            self._keys[-1] = value

    def _refuse_tag(self, tag: str | None) -> None:
        if tag not in (None, "!"):
            raise self._wrong(f"tag not allowed: {tag}")

    def _wrong(self, what: str) -> MalformedAdvisoryError:
        return MalformedAdvisoryError(self._where, what)
