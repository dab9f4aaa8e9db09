"""The parser of YAML from other programs, other repositories and people, into plain values.

YAML is parsed from events, not with a loader, for four reasons: the composer of libyaml crashes on
deep nesting, aliases can expand a small file without limit, tags construct objects, and an unquoted
``1.10`` becomes the number 1.1. Here each scalar except null stays text.
"""

from __future__ import annotations

from typing import TypeAlias

import yaml

from security.content.document import DocumentError

DEEPEST = 100
_NULLS = ("", "~", "null", "Null", "NULL")
YamlValue: TypeAlias = "None | str | list[YamlValue] | dict[str, YamlValue]"
_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse_yaml(content: bytes) -> YamlValue:
    """Parse one document without aliases, tags and repeated keys.

    Raises:
        DocumentError: the text is another YAML, or not YAML.
    """
    builder = _Builder()
    try:
        for event in yaml.parse(content, _LOADER):
            builder.add(event)
    except DocumentError:
        raise
    except (yaml.YAMLError, ValueError) as error:
        text = " ".join(str(error).split())
        raise _malformed(f"not YAML: {text}") from None
    return builder.result()


class _Builder:
    """Builds a value from parser events with a stack instead of recursion."""

    def __init__(self) -> None:
        self._open: list[list[YamlValue] | dict[str, YamlValue]] = []
        self._keys: list[str | None] = []
        self._documents: list[YamlValue] = []

    def result(self) -> YamlValue:
        """Return the single document."""
        if len(self._documents) != 1:
            raise _malformed(f"{len(self._documents)} documents instead of one")
        return self._documents[0]

    def add(self, event: yaml.Event) -> None:
        """Add the next event."""
        if isinstance(event, yaml.AliasEvent):
            raise _malformed("alias not allowed")
        if isinstance(event, yaml.ScalarEvent):
            _refuse_tag(event.tag)
            plain = event.implicit[0]  # neither quoted nor a block
            self._put(None if plain and event.value in _NULLS else event.value)
        elif isinstance(event, yaml.MappingStartEvent):
            self._start(event.tag, {})
        elif isinstance(event, yaml.SequenceStartEvent):
            self._start(event.tag, [])
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()
            self._keys.pop()

    def _start(self, tag: str | None, value: list[YamlValue] | dict[str, YamlValue]) -> None:
        _refuse_tag(tag)
        self._put(value)
        self._open.append(value)
        self._keys.append(None)
        if len(self._open) > DEEPEST:
            raise _malformed("nested too deeply")

    def _put(self, value: YamlValue) -> None:
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
            raise _malformed("key not text")
        elif value in holder:
            raise _malformed(f"duplicate key: {value}")
        else:
            self._keys[-1] = value


def _refuse_tag(tag: str | None) -> None:
    if tag not in (None, "!"):
        raise _malformed(f"tag not allowed: {tag}")


def _malformed(what: str) -> DocumentError:
    return DocumentError(what, "correct the document")
