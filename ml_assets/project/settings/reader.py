"""The reader of settings: turns a parsed TOML table into the dataclass that declares its keys.

An unknown key is an error: a misspelled setting must not silently do nothing.
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Mapping
from enum import Enum
from typing import Any, Literal, TypeVar, get_args, get_origin

from resources.errors import ConfigurationError
from security.content.setting import Checked, Key, Setting, keys_of

T = TypeVar("T")


def read_table(kind: type[T], table: Mapping[str, Any], where: str, default: T | None = None) -> T:
    """Read one table of settings.

    Args:
        where: the file and the table, for messages.
        default: supplies the values of missing keys in place of the declared defaults.

    Raises:
        ConfigurationError: a setting is unknown, missing, or of another type or range.
    """
    keys = keys_of(kind, default)
    named = {key.name for key in keys if not key.setting.rest}
    others = {name: value for name, value in table.items() if name not in named}
    values: dict[str, Any] = {}
    for key in keys:
        value = others if key.setting.rest else table.get(key.name)
        values[key.attribute] = _read(key, value, where)
    if others and not any(key.setting.rest for key in keys):
        raise ConfigurationError(
            f"unknown setting in {where}: {', '.join(sorted(others))}",
            f"known settings: {', '.join(sorted(named))}",
        )
    read = kind(**values)
    fault = read.fault() if isinstance(read, Checked) else None
    if fault is not None:
        raise wrong(where, *fault)
    return read


def wrong(where: str, key: str, expected: str) -> ConfigurationError:
    """Return the error for a setting of another type or range."""
    return ConfigurationError(f"wrong setting in {where}: {key}", f"write {expected}")


def inner_kind(kind: Any) -> Any:
    """Return the type of a value that may be absent: ``str`` for ``str | None``."""
    if get_origin(kind) in (types.UnionType, typing.Union):
        return next(one for one in get_args(kind) if one is not type(None))
    return kind


def _read(key: Key, value: Any, where: str) -> Any:
    default = key.default
    if value is None:
        if default is dataclasses.MISSING:
            raise wrong(where, key.name, key.setting.expected or _expected(key.kind, key.setting))
        return default
    place = where if key.setting.rest else f"{where}: {key.name}"
    read = _Reader(key, where, place).read(inner_kind(key.kind), value, default)
    stands_for_default = isinstance(read, str | tuple | int) and not key.setting.empty_list
    if stands_for_default and not read and default not in (None, dataclasses.MISSING):
        return default
    return read


class _Reader:
    """Reads the value of one key, with its nested values."""

    def __init__(self, key: Key, where: str, place: str) -> None:
        self._setting = key.setting
        self._name = key.name
        self._where = where
        self._place = place

    def read(self, kind: Any, value: Any, default: Any) -> Any:
        """Read a value of a type.

        Raises:
            ConfigurationError: the value has another type or range.
        """
        if dataclasses.is_dataclass(kind):
            if not isinstance(value, dict):
                raise wrong(self._where, self._name, self._setting.expected or _TABLE)
            return read_table(typing.cast(type[Any], kind), value, self._place, default)
        if get_origin(kind) is Literal:
            return self._choice(kind, value, get_args(kind))
        if get_origin(kind) is tuple:
            return self._texts(kind, value)
        if get_origin(kind) is not None:
            return self._mapping(kind, value)
        if issubclass(kind, Enum):
            return kind(self._choice(kind, value, tuple(one.value for one in kind)))
        return self._plain(kind, value)

    def _plain(self, kind: type, value: Any) -> Any:
        self._require(value, (int, float) if kind is float else kind, kind)
        if isinstance(value, bool) is not (kind is bool):
            raise self._wrong(kind)
        low, high = self._setting.minimum, self._setting.maximum
        if kind in (int, float) and low is not None and not value >= low:
            raise self._wrong(kind)
        if kind in (int, float) and high is not None and value > high:
            raise wrong(self._where, self._name, f"a number up to {high:.0f}")
        if kind is str and self._setting.pattern and not self._matches(value):
            raise self._wrong(kind)
        try:
            return float(value) if kind is float else value
        except OverflowError:
            raise self._wrong(kind) from None

    def _choice(self, kind: Any, value: Any, choices: tuple[str, ...]) -> str:
        self._require(value, str, str)
        if value not in choices:
            raise self._wrong(kind)
        return str(value)

    def _texts(self, kind: Any, value: Any) -> tuple[str, ...]:
        self._require(value, list, kind)
        if not all(isinstance(one, str) for one in value):
            raise wrong(self._where, self._name, _TEXTS)
        if self._setting.pattern and not all(map(self._matches, value)):
            raise self._wrong(kind)
        return tuple(dict.fromkeys(value)) if self._setting.distinct else tuple(value)

    def _mapping(self, kind: Any, value: Any) -> dict[str, Any]:
        self._require(value, dict, kind)
        item = get_args(kind)[1]
        names = self._setting.names
        for name in value:
            if names and not re.fullmatch(names, name):
                raise wrong(self._where, name, self._setting.expected)
        return {name: self._item(name, item, one) for name, one in value.items()}

    def _item(self, name: str, kind: Any, value: Any) -> Any:
        if get_origin(kind) is Mapping or get_origin(kind) is dict:
            if not isinstance(value, dict):
                raise wrong(self._place, name, _TABLE)
            return value
        key = Key(name, name, kind, dataclasses.replace(self._setting, rest=False, names=""), None)
        return _Reader(key, self._place, f"{self._place}: {name}").read(kind, value, None)

    def _require(self, value: Any, kind: type | tuple[type, ...], expected: Any) -> None:
        if not isinstance(value, kind):
            raise wrong(self._where, self._name, _expected(expected, self._setting, bare=True))

    def _wrong(self, kind: Any) -> ConfigurationError:
        expected = self._setting.expected or _expected(kind, self._setting)
        return wrong(self._where, self._name, expected)

    def _matches(self, text: str) -> bool:
        return re.fullmatch(self._setting.pattern, text) is not None


_TABLE = "a table"
_TEXTS = "a list of strings"


def _expected(kind: Any, setting: Setting, bare: bool = False) -> str:
    """Return what to write for a value of a type; ``bare`` for the type alone."""
    kind = inner_kind(kind)
    if setting.expected and not bare:
        return setting.expected
    if get_origin(kind) is Literal:
        return " or ".join(get_args(kind))
    if get_origin(kind) is tuple:
        return _TEXTS
    if get_origin(kind) is not None or dataclasses.is_dataclass(kind):
        return _TABLE
    if kind in (int, float):
        number = "a whole number" if kind is int else "a number"
        return number if setting.minimum is None else f"{number}, {setting.minimum:g} or more"
    if issubclass(kind, Enum):
        return " or ".join(str(one.value) for one in kind)
    return {bool: "true or false", str: "a string"}[kind]
