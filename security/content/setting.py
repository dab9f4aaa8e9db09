"""A setting: the default, description and limits of one key, declared on a dataclass field.

The parser, the settings reference and the JSON Schema all read these declarations.
"""

from __future__ import annotations

import dataclasses
import functools
import typing
from dataclasses import dataclass, field
from typing import Any

#: The longest time-out in seconds. Timers overflow far above it.
LONGEST = 10**9


@dataclass(frozen=True)
class Setting:
    """The declaration of one key.

    Attributes:
        about: the effect of the setting, in one line of Markdown.
        example: a value as TOML, for the reference.
        unset: the behaviour without the key, where the default is not a constant.
        key: the key in the file; empty takes the field's name with dashes.
        minimum: the smallest number.
        maximum: the largest number.
        pattern: a regular expression for the text, or for each text of a list or table.
        names: a regular expression for the names in a table of tables.
        expected: the valid value in words, where the type alone does not describe it.
        rest: the field holds all tables that no other field names.
        empty_list: an empty list is a value of its own, not the default.
        distinct: a repeated text counts once.
        shape: name of the schema definition for values that other code parses.
    """

    about: str
    example: str = ""
    unset: str = ""
    key: str = ""
    minimum: float | None = None
    maximum: float | None = None
    pattern: str = ""
    names: str = ""
    expected: str = ""
    rest: bool = False
    empty_list: bool = False
    distinct: bool = False
    shape: str = ""


@dataclass(frozen=True)
class Key:
    """One key of a table: its name in the file, and the field that holds it."""

    name: str
    attribute: str
    kind: Any
    setting: Setting
    default: Any


class Checked:
    """A table with keys that depend on each other."""

    def fault(self) -> tuple[str, str] | None:
        """Return a key that contradicts the others, and the correction; None if all agree."""
        raise NotImplementedError


def setting(default: Any, about: str, **more: Any) -> Any:
    """Declare a setting as a dataclass field; ``more`` is for ``Setting``."""
    metadata = {"setting": Setting(about, **more)}
    if default is dataclasses.MISSING:
        return field(metadata=metadata)
    if isinstance(default, dict):
        return field(default_factory=dict, metadata=metadata)
    return field(default=default, metadata=metadata)


def seconds(default: float, about: str, **more: Any) -> Any:
    """Declare a duration in seconds."""
    return setting(default, about, **{"minimum": 0, "maximum": LONGEST, **more})


def keys_of(table: type, defaults: object = None) -> tuple[Key, ...]:
    """Return the keys of a settings table, in the order of their declaration.

    Args:
        defaults: an instance of the table with other defaults; None for the declared ones.
    """
    keys = _declared_keys(table)
    if not isinstance(defaults, table):
        return keys
    return tuple(dataclasses.replace(key, default=getattr(defaults, key.attribute)) for key in keys)


@functools.cache
def _declared_keys(table: type) -> tuple[Key, ...]:
    kinds = typing.get_type_hints(table)
    return tuple(
        Key(
            one.metadata["setting"].key or one.name.replace("_", "-"),
            one.name,
            kinds[one.name],
            one.metadata["setting"],
            _default(one),
        )
        for one in dataclasses.fields(table)
    )


def _default(one: dataclasses.Field[Any]) -> Any:
    if one.default_factory is not dataclasses.MISSING:
        return one.default_factory()
    return one.default
