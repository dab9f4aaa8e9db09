"""Text of policies: TOML read into typed values, and the place of each that is wrong."""

from __future__ import annotations

import datetime
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, TypeVar

from security.content.printable import printable
from security.errors import SecurityError

#: Bytes. A policy of a thousand waivers has 200,000 of them.
LARGEST = 1 << 18
#: Dots or brackets in one line: more than any policy needs, and less than it takes to keep a
#: parser busy for minutes.
_DEEPEST = 200

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_Choice = TypeVar("_Choice", bound=Enum)


class PolicyError(SecurityError):
    """A policy cannot be read, or does not have what was asked of it."""

    kind: ClassVar[str] = "policy"
    exit_code: ClassVar[int] = 2


def load_table(text: bytes, where: str) -> Table:
    """Read a TOML document.

    Args:
        where: the file's name, for messages.

    Raises:
        PolicyError: it is too large, or no TOML in UTF-8.
    """
    if len(text) > LARGEST:
        raise PolicyError(
            f"policy too large: {where}: {len(text)} bytes", f"leave at most {LARGEST}"
        )
    if any(line.count(b".") + line.count(b"[") > _DEEPEST for line in text.splitlines()):
        raise PolicyError(f"policy too deep: {where}", "write it without so many dots or brackets")
    try:
        values = tomllib.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        # ValueError covers malformed TOML, text that is not UTF-8 and integers that are too long.
        raise PolicyError(f"cannot parse: {where}: {printable(str(error))}", "mend it") from error
    return Table(values, where)


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a policy.

    Attributes:
        where: the file, for messages.
        place: the keys that lead to it, joined by dots; empty for the document itself.
    """

    values: Mapping[str, object]
    where: str
    place: str = ""

    def error(self, key: str, what: str, hint: str) -> PolicyError:
        """Return the error that says what is wrong with the value of a key."""
        return PolicyError(f"{self.where}: {self._at(key)}: {what}", hint)

    def _at(self, key: str) -> str:
        return printable(f"{self.place}.{key}" if self.place else key)

    def _wrong(self, key: str, wanted: str) -> PolicyError:
        found = _show(self.values.get(key))
        return self.error(key, f"not {wanted}: {found}", f"write {wanted}")

    def refuse_unknown(self, known: Collection[str]) -> None:
        """Refuse keys that mean nothing, so that a misspelt one cannot silently do nothing.

        Raises:
            PolicyError: there is one.
        """
        for key in self.values:
            if key not in known:
                raise self.error(key, "unknown key", f"known here: {', '.join(sorted(known))}")

    def require(self, *keys: str) -> None:
        """Refuse a table without some keys.

        Raises:
            PolicyError: one is missing.
        """
        for key in keys:
            if key not in self.values:
                raise self.error(key, "missing", f"add {key} to it")

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text of one line that is not empty; without the key and a default, ``""``."""
        if key not in self.values:
            return default or ""
        value = self.values[key]
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            raise self._wrong(key, "a text of one line")
        return value

    def flag(self, key: str) -> bool | None:
        """Return true or false, or None without the key."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, bool):
            raise self._wrong(key, "true or false")
        return value

    def number(self, key: str, default: float | None, lowest: int, highest: int) -> float | None:
        """Return a number in a range."""
        if key not in self.values:
            return default
        value = self.values[key]
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(key, f"a number from {lowest} to {highest}")
        if not lowest <= value <= highest:
            raise self._wrong(key, f"a number from {lowest} to {highest}")
        return value

    def whole_number(self, key: str, default: int | None, lowest: int, highest: int) -> int | None:
        """Return a whole number in a range."""
        value = self.number(key, default, lowest, highest)
        if value is not None and value != int(value):
            raise self._wrong(key, "a whole number")
        return None if value is None else int(value)

    def choice(self, key: str, default: _Choice) -> _Choice:
        """Return one of the values of an enum, the default's."""
        if key not in self.values:
            return default
        choices = {one.value: one for one in type(default)}
        value = self.values[key]
        if not isinstance(value, str) or value not in choices:
            raise self._wrong(key, f"one of {', '.join(choices)}")
        return choices[value]

    def day(self, key: str) -> datetime.date:
        """Return a day: TOML's local date, or a text of the same form."""
        value = self.values.get(key)
        if isinstance(value, str) and _DAY.fullmatch(value):
            try:
                return datetime.date.fromisoformat(value)
            except ValueError as error:
                raise self._wrong(key, "a day, such as 2026-12-31") from error
        if not isinstance(value, datetime.date) or isinstance(value, datetime.datetime):
            raise self._wrong(key, "a day, such as 2026-12-31")
        return value

    def table(self, key: str) -> Table:
        """Return a table in it; an empty one without the key."""
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            raise self._wrong(key, "a table")
        return Table(value, self.where, self._at(key))

    def tables(self, key: str) -> dict[str, Table]:
        """Return the tables in a table, by name."""
        inner = self.table(key)
        return {name: inner.table(name) for name in inner.values}

    def list_of_tables(self, key: str) -> list[Table]:
        """Return an array of tables."""
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise self._wrong(key, f"an array of tables: [[{key}]]")
        return [
            Table(one, self.where, f"{self._at(key)}[{index}]") for index, one in enumerate(value)
        ]


def _show(value: object) -> str:
    if isinstance(value, int) and value.bit_length() > 64:
        return "a number of many digits"  # to write it out would fail, or take long
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "an array"
    return printable(str(value), 60)
