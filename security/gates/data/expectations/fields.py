"""Tables of the settings, read key by key; nothing in them is passed over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, TypeVar

from security.errors import SecurityError
from security.gates.data.expectations.table_expectations import Range

_HINT = "the keys are in the documentation of the data gate"
_T = TypeVar("_T")


class ExpectationError(SecurityError, ValueError):
    """The settings of a dataset say something that nobody can check."""

    kind: ClassVar[str] = "expectations"


class Fields:
    """A table of the settings, from which each key is taken once; none may be left."""

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, Mapping):
            raise ExpectationError(f"{where}: not a table", _HINT)
        self._left = dict(value)
        self.where = where

    def refuse(self, key: str, what: str) -> ExpectationError:
        """Return the error about a key."""
        return ExpectationError(f"{self.where}.{key}: {what}", _HINT)

    def take(self, key: str, kind: type[_T], default: _T) -> _T:
        """Take a value of exactly one type."""
        value = self._left.pop(key, default)
        if value is not default and type(value) is not kind:
            raise self.refuse(key, f"not of type {kind.__name__}")
        return value

    def take_any(self, key: str) -> object:
        """Take a value of any type; None where there is none."""
        return self._left.pop(key, None)

    def take_texts(self, key: str) -> tuple[str, ...]:
        """Take a list of texts."""
        return self.texts(key, self.take(key, list, []))

    def texts(self, key: str, value: object) -> tuple[str, ...]:
        """Check a list of texts."""
        if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
            raise self.refuse(key, "not a list of texts")
        return tuple(value)

    def take_tables(self, key: str) -> list[tuple[str, Fields]]:
        """Take a table of tables."""
        value = self.take_any(key)
        if not isinstance(value, Mapping | None):
            raise self.refuse(key, "not a table")
        where = f"{self.where}.{key}"
        return [(str(name), Fields(one, f"{where}.{name}")) for name, one in (value or {}).items()]

    def take_range(self, key: str) -> Range | None:
        """Take a table with ``min`` and ``max``."""
        value = self.take_any(key)
        if value is None:
            return None
        ends = Fields(value, f"{self.where}.{key}")
        found = Range(ends.take_end("min"), ends.take_end("max"))
        ends.end()
        if found.least is not None and found.most is not None and found.least > found.most:
            raise self.refuse(key, "min is more than max")
        return found

    def take_end(self, key: str) -> int | None:
        """Take a number that is not negative."""
        value = self.take_any(key)
        if value is None or (type(value) is int and value >= 0):
            return value
        raise self.refuse(key, "not a number from 0 on")

    def take_one_of(self, key: str, allowed: tuple[str, ...]) -> str | None:
        """Take one of some words."""
        value = self.take_any(key)
        if value is None or (isinstance(value, str) and value in allowed):
            return value
        raise self.refuse(key, f"not one of {', '.join(allowed)}")

    def end(self) -> None:
        """Refuse what is left."""
        for key in self._left:
            raise self.refuse(str(key), "unknown")
