"""Configuration documents as one plain tree, with every repeated key.

A reader that keeps the first of two keys and one that keeps the last see different documents; the
tree holds both. YAML is parsed to nodes only: no tag makes an object.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from security.model_scan.limits import MEBI
from security.model_scan.report import UnscannedError

_MOST_YAML = 4 * MEBI
_CORE = "tag:yaml.org,2002:"
_CORE_TAGS = frozenset(
    f"{_CORE}{name}"
    for name in "binary bool float int map merge null omap pairs seq set str timestamp".split()
)


@dataclass(frozen=True, slots=True)
class Pairs:
    """A mapping with all of its pairs, in order."""

    items: tuple[tuple[Any, Any], ...]


@dataclass(frozen=True, slots=True)
class Tagged:
    """A value that a YAML document gives a type of its own."""

    tag: str


def parse_documents(raw: bytes) -> list[Any]:
    """Parse JSON, several JSON values in a row, TOML or YAML.

    Raises:
        UnscannedError: the bytes are none of them, or larger or nested deeper than the limits.
    """
    text = _decode(raw)
    try:
        if text.lstrip()[:1] in ("{", "["):
            try:
                return list(_parse_json(text))
            except ValueError:
                pass  # YAML's flow style looks like JSON
        try:
            return [_from_toml(tomllib.loads(text))]
        except ValueError:
            return _parse_yaml(text)
    except RecursionError as error:
        raise UnscannedError("configuration nested too deeply") from error


def _decode(raw: bytes) -> str:
    """Decode text as ``json.loads`` does, which accepts UTF-16 and a byte order mark."""
    try:
        return raw.decode(json.detect_encoding(raw)).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise UnscannedError("configuration is no text") from error


def _parse_json(text: str) -> Iterator[Any]:
    decoder = json.JSONDecoder(object_pairs_hook=lambda pairs: Pairs(tuple(pairs)), strict=False)
    position = 0
    while text[position:].strip():
        position += len(text) - position - len(text[position:].lstrip())
        value, position = decoder.raw_decode(text, position)
        yield value


def _from_toml(value: Any) -> Any:
    if isinstance(value, dict):
        return Pairs(tuple((key, _from_toml(one)) for key, one in value.items()))
    return [_from_toml(one) for one in value] if isinstance(value, list) else value


def _parse_yaml(text: str) -> list[Any]:
    """Parse YAML to nodes, and those to plain values."""
    if len(text) > _MOST_YAML:
        raise UnscannedError("YAML document longer than the limit")
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        nodes = list(YAML(typ="safe", pure=True).compose_all(text))
        known: dict[int, Any] = {}
        return [_from_node(node, known) for node in nodes if node is not None]
    except (YAMLError, ValueError, AttributeError, TypeError) as error:
        raise UnscannedError("configuration is neither JSON nor TOML nor YAML") from error


def _from_node(node: Any, known: dict[int, Any]) -> Any:
    """Convert a node; an alias is the value of its anchor, converted once."""
    if id(node) in known:
        return known[id(node)]
    known[id(node)] = None  # an anchor that holds itself
    value: Any
    tag = str(getattr(node, "tag", ""))
    if tag not in _CORE_TAGS:
        value = Tagged(tag)
    elif isinstance(node.value, str):
        value = node.value
    elif tag == f"{_CORE}seq":
        value = [_from_node(one, known) for one in node.value]
    else:
        pairs = (one if isinstance(one, tuple) else (one, None) for one in node.value)
        value = Pairs(
            tuple(
                (_from_node(key, known), None if one is None else _from_node(one, known))
                for key, one in pairs
            )
        )
    known[id(node)] = value
    return value


def prepare() -> None:
    """Import the YAML parser, for a process that cannot open files later."""
    _parse_yaml("a: [b, {c: &d 'e', f: *d}]\n--- |\n  g\n")
