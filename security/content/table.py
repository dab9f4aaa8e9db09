"""A table of settings that people write. It refuses unknown keys."""

from __future__ import annotations

import datetime
from collections.abc import Collection
from dataclasses import replace
from enum import Enum
from typing import ClassVar, TypeVar

from security.content.document import DocumentError, parse_toml
from security.content.field import FURTHEST, Field
from security.errors import SecurityError

#: The limit for a policy in bytes. A policy with a thousand waivers has 200,000.
MOST_BYTES = 1 << 18
_Choice = TypeVar("_Choice", bound=Enum)
_Number = TypeVar("_Number", bound=float | None)
_Whole = TypeVar("_Whole", bound=int | None)


class PolicyError(SecurityError):
    """A policy cannot be read, or lacks a required entry."""

    kind: ClassVar[str] = "policy"
    exit_code: ClassVar[int] = 2


def load_policy(content: bytes, where: str) -> Table:
    """Parse the TOML document of a policy or of a list of signers.

    Args:
        where: name of the file, for messages.

    Raises:
        PolicyError: the document is malformed or too large.
    """

    def complain(place: str, what: str, hint: str) -> PolicyError:
        return PolicyError(f"{where}: {place}: {what}", hint)

    try:
        return Table(Field(parse_toml(content, MOST_BYTES), complain))
    except DocumentError as error:
        raise PolicyError(f"cannot parse: {where}: {error.message}", f"correct {where}") from error


class Table:
    """A table that records the keys that were read.

    Its methods return a default for a missing key, and raise the errors of its field.
    """

    def __init__(self, field: Field) -> None:
        if not isinstance(field.value, dict):
            raise field.unlike("a table")
        self._field = field
        self._known: dict[str, None] = {}

    def __contains__(self, key: str) -> bool:
        """Whether a key is given."""
        return key in self._field.value

    @property
    def place(self) -> str:
        """The path of the table, joined by dots; empty for the document."""
        return self._field.place

    def get(self, key: str) -> Field:
        """Return a field, and record its key as known."""
        self._known[key] = None
        return self._field.get(key)

    def error(self, key: str, what: str, hint: str = "") -> Exception:
        """Return the error about a key."""
        return self._field.get(key).wrong(what, hint)

    def wrong(self, what: str, hint: str) -> Exception:
        """Return the error about the table itself."""
        return self._field.wrong(what, hint)

    def unlike(self, key: str, wanted: str) -> Exception:
        """Return the error about a value with the wrong type or range."""
        return self._field.get(key).unlike(wanted)

    def refuse_unknown(self, known: Collection[str] | None = None) -> None:
        """Refuse unknown keys, so that a misspelt key is not silently ignored.

        Args:
            known: the allowed keys; None for the keys that were read.
        """
        allowed = self._known if known is None else known
        for key in self._field.value:
            if key not in allowed:
                raise self.error(key, "unknown key", f"known keys: {', '.join(sorted(allowed))}")

    def require(self, *keys: str) -> None:
        """Refuse a table without one of these keys."""
        for key in keys:
            if key not in self:
                raise self.error(key, "missing", f"add the key: {key}")

    def keys(self) -> list[str]:
        """Return the keys."""
        return self._field.keys()

    def unread(self) -> list[str]:
        """Return the keys that were not read yet."""
        return [key for key in self.keys() if key not in self._known]

    def text(self, key: str) -> str | None:
        """Return a string."""
        return self.get(key).optional_text()

    def line(self, key: str, default: str = "") -> str:
        """Return one line of text that is not blank."""
        field = self.get(key)
        return field.line() if field.exists else default

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of strings."""
        value = self.get(key).value
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise self.unlike(key, "a list of strings")
        return tuple(value)

    def all_texts(self) -> dict[str, tuple[str, ...]]:
        """Return the lists of strings of all keys."""
        return {key: self.texts(key) for key in self.keys()}

    def flag(self, key: str, default: bool = False) -> bool:
        """Return true or false."""
        field = self.get(key)
        return field.flag() if field.exists else default

    def number(
        self,
        key: str,
        default: _Number,
        lowest: float = -FURTHEST,
        highest: float = FURTHEST,
    ) -> float | _Number:
        """Return a number in a range."""
        field = self.get(key)
        return field.number(lowest, highest) if field.exists else default

    def whole_number(
        self, key: str, default: _Whole, lowest: int, highest: int | None = None
    ) -> int | _Whole:
        """Return a whole number in a range, also written as ``30.0``."""
        field = self.get(key)
        if isinstance(field.value, float) and field.value.is_integer():
            field = replace(field, value=int(field.value))
        return field.whole_number(lowest, highest) if field.exists else default

    def choice(self, key: str, default: _Choice) -> _Choice:
        """Return a member of the enumeration of the default."""
        field = self.get(key)
        return field.choice(type(default)) if field.exists else default

    def day(self, key: str) -> datetime.date:
        """Return a day; the key is required."""
        return self.get(key).day()

    def table(self, key: str) -> Table:
        """Return the table of a key; empty if the key is missing."""
        field = self.get(key)
        return Table(field if field.exists else replace(field, value={}))

    def tables(self, key: str | None = None) -> dict[str, Table]:
        """Return the tables below a key, or all values of this table, by name."""
        inner = self if key is None else self.table(key)
        return {name: inner.table(name) for name in inner.keys()}

    def list_of_tables(self, key: str) -> list[Table]:
        """Return an array of tables."""
        field = self.get(key)
        if field.exists and not isinstance(field.value, list):
            raise field.unlike(f"an array of tables: [[{key}]]")
        if not all(isinstance(one, dict) for one in field.value or ()):
            raise field.unlike(f"an array of tables: [[{key}]]")
        return [Table(one) for one in field.objects()]
