"""A table of settings: read key by key, each of one type, and what nobody asked for refused."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeVar

from resources.errors import ConfigurationError

Choice = TypeVar("Choice", bound=Enum)
#: Seconds. A time-out of far more would overflow when it is set, and never come.
LONGEST = 10**9


class Table:
    """One table, read key by key; what nobody asked for is unknown."""

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self._values = values
        self.where = where
        self._known: list[str] = []

    def __contains__(self, key: str) -> bool:
        """Whether a key is given at all."""
        return key in self._values

    def _get(self, key: str, kind: type | tuple[type, ...], expected: str) -> Any:
        self._known.append(key)
        value = self._values.get(key)
        if value is not None and (
            not isinstance(value, kind) or isinstance(value, bool) is not (kind is bool)
        ):
            raise wrong(self.where, key, expected)
        return value

    def seconds(self, key: str, default: float) -> float:
        value = self._get(key, (int, float), "a number that is not negative")
        if value is not None and not value >= 0:
            raise wrong(self.where, key, "a number that is not negative")
        if value is not None and value > LONGEST:
            raise wrong(self.where, key, f"a number up to {LONGEST}")
        return default if value is None else float(value)

    def whole_number(self, key: str) -> int:
        value = self._get(key, int, "a whole number, 0 or more") or 0
        if value < 0:
            raise wrong(self.where, key, "a whole number, 0 or more")
        return int(value)

    def number(self, key: str) -> float | None:
        """Return a number; None where there is none."""
        value = self._get(key, (int, float), "a number")
        return None if value is None else float(value)

    def flag(self, key: str) -> bool:
        return bool(self._get(key, bool, "true or false"))

    def text(self, key: str) -> str | None:
        value: str | None = self._get(key, str, "a string")
        return value

    def choice(self, key: str, default: Choice) -> Choice:
        """Return a member of the default's enumeration, by its value."""
        value = self.text(key)
        if value is None:
            return default
        try:
            return type(default)(value)
        except ValueError:
            choices = " or ".join(str(one.value) for one in type(default))
            raise wrong(self.where, key, choices) from None

    def texts(self, key: str) -> tuple[str, ...]:
        values = self._get(key, list, "a list of strings") or []
        if not all(isinstance(value, str) for value in values):
            raise wrong(self.where, key, "a list of strings")
        return tuple(values)

    def all_texts(self) -> dict[str, tuple[str, ...]]:
        return {key: self.texts(key) for key in self._values}

    def mapping(self, key: str) -> dict[str, Any]:
        return dict(self._get(key, dict, "a table") or {})

    def tables(self, key: str) -> dict[str, Table]:
        """Return the tables of a table of tables, by their names."""
        return Table(self.mapping(key), f"{self.where}: {key}").all_tables()

    def all_tables(self) -> dict[str, Table]:
        """Return all values of this table, which are tables themselves."""
        return {key: Table(self.mapping(key), f"{self.where}: {key}") for key in self._values}

    def rest(self) -> dict[str, Any]:
        """Return what nobody has asked for yet, and take it for known."""
        found = {key: value for key, value in self._values.items() if key not in self._known}
        self._known += found
        return found

    def refuse_unknown(self) -> None:
        unknown = sorted(set(self._values) - set(self._known))
        if unknown:
            raise ConfigurationError(
                f"unknown setting in {self.where}: {', '.join(unknown)}",
                f"known are: {', '.join(sorted(self._known))}",
            )


def wrong(where: str, key: str, expected: str) -> ConfigurationError:
    """Say that a setting is of another type or range than it has to be."""
    return ConfigurationError(f"wrong setting in {where}: {key}", f"write {expected}")
