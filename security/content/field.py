"""A field: a value of a document, and its place for error messages."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

from security.content.document import DocumentError
from security.content.printable import printable

LONGEST_NAME = 512
#: The default limit for numbers: any float of practical use.
FURTHEST = 1e300
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_Choice = TypeVar("_Choice", bound=Enum)

#: Builds an error from the place, the defect, and a hint, which can be empty.
Complain = Callable[[str, str, str], Exception]


def _complain(place: str, what: str, hint: str) -> Exception:
    fallback = "correct the document, or write it again"
    return DocumentError(f"{place}: {what}" if place else what, hint or fallback)


@dataclass(slots=True, eq=False)  # not frozen: setting frozen attributes doubles the parse time
class Field:
    """A value and its place in a document.

    Attributes:
        value: as JSON, YAML or TOML gives it; None for a field that is missing or null.
        complain: builds the errors about the field.
    """

    value: Any
    complain: Complain = _complain
    _parent: Field | None = None
    _key: str | int = ""

    @property
    def exists(self) -> bool:
        """Whether there is a value."""
        return self.value is not None

    @property
    def place(self) -> str:
        """The path of the field, such as ``affected[0].ranges[1]``; empty for the document."""
        parts: list[str] = []
        field = self
        while field._parent is not None:
            parts.append(f"[{field._key}]" if isinstance(field._key, int) else f".{field._key}")
            field = field._parent
        return printable("".join(reversed(parts)).removeprefix("."))

    def wrong(self, what: str, hint: str = "") -> Exception:
        """Return the error about this field."""
        return self.complain(self.place, what, hint)

    def unlike(self, wanted: str) -> Exception:
        """Return the error about a field with the wrong type or range."""
        if self.value is None and self._parent is not None:
            return self.wrong("missing", f"write {wanted}")
        return self.wrong(f"not {wanted}: {_show(self.value)}", f"write {wanted}")

    def get(self, key: str) -> Field:
        """Return a field of an object. A field of a missing object is missing."""
        if isinstance(self.value, dict):
            return Field(self.value.get(key), self.complain, self, key)
        if self.value is None and self._parent is not None:
            return Field(None, self.complain, self, key)
        raise self.unlike("an object")

    def text_of(self, key: str) -> str:
        """Return the string of a key: a faster ``get(key).text()`` for valid documents."""
        value = self.value.get(key) if isinstance(self.value, dict) else None
        return value if value and isinstance(value, str) else self.get(key).text()

    def at(self, index: int) -> Field:
        """Return an item of a list. An item out of range, or of a missing list, is missing."""
        values = self.value if isinstance(self.value, list) else ()
        value = values[index] if 0 <= index < len(values) else None
        return Field(value, self.complain, self, index)

    def loose(self, key: str) -> Any:
        """Return the value of a key without a schema; None if it is missing."""
        return self.value.get(key) if isinstance(self.value, dict) else None

    def keys(self) -> list[str]:
        """Return the keys of an object."""
        return list(self.mapping())

    def mapping(self) -> dict[str, Any]:
        """Return an object as plain values."""
        if not isinstance(self.value, dict):
            raise self.unlike("an object")
        return self.value

    def only(self, required: Collection[str], optional: Collection[str] = ()) -> Field:
        """Return the object if it has all required keys, no unknown key and no null."""
        values = self.mapping()
        for key in required:
            if key not in values:
                raise self.get(key).wrong("missing")
        if len(values) > len(required):
            for key in values:
                if key not in required and key not in optional:
                    raise self.get(key).wrong("unknown key")
        if None in values.values():
            raise next(self.get(key).wrong("null") for key in values if values[key] is None)
        return self

    def items(self) -> Iterator[Field]:
        """Iterate over a list without nulls; a missing list is empty."""
        if self.value is None:
            return
        if not isinstance(self.value, list):
            raise self.unlike("a list")
        for index, value in enumerate(self.value):
            item = Field(value, self.complain, self, index)
            if value is None:
                raise item.wrong("missing")
            yield item

    def objects(self) -> Iterator[Field]:
        """Iterate over a list of objects; a missing list is empty."""
        for item in self.items():
            item.mapping()
            yield item

    def texts(self) -> tuple[str, ...]:
        """Return a list of strings; a missing list is empty."""
        if isinstance(self.value, list) and all(isinstance(one, str) for one in self.value):
            return tuple(self.value)  # the usual case in one pass: lists can be long
        return tuple(one.text(empty=True) for one in self.items())

    def text(self, *, empty: bool = False) -> str:
        """Return a string.

        Numbers are refused: as a number, version 1.10 is 1.1.
        """
        if not isinstance(self.value, str):
            raise self.unlike("a string")
        if not self.value and not empty:
            raise self.wrong("empty")
        return self.value

    def optional_text(self) -> str | None:
        """Return a string, also an empty one; None if it is missing."""
        return None if self.value is None else self.text(empty=True)

    def line(self) -> str:
        """Return a string of one line that is not blank."""
        value = self.value
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            raise self.unlike("one line of text")
        return value

    def name(self) -> str:
        """Return a string of one line, of at most 512 characters, without surrounding space."""
        text = self.text()
        if text != text.strip():
            raise self.wrong("starts or ends with space")
        if len(text) > LONGEST_NAME:
            raise self.wrong(f"longer than {LONGEST_NAME} characters")
        if not text.isprintable():
            raise self.wrong("contains a control character")
        return text

    def identifier(self) -> str:
        """Return a name without spaces."""
        text = self.name()
        if " " in text:
            raise self.wrong("contains a space")
        return text

    def optional_number(self, lowest: int) -> int | None:
        """Return a whole number from a minimum; None if it is missing."""
        return None if self.value is None else self.whole_number(lowest)

    def flag(self) -> bool:
        """Return true or false."""
        if not isinstance(self.value, bool):
            raise self.unlike("true or false")
        return self.value

    def number(self, lowest: float = -FURTHEST, highest: float = FURTHEST) -> int | float:
        """Return a number in a range; by default, up to `FURTHEST`."""
        value = self.value
        if isinstance(value, int | float) and not isinstance(value, bool):
            if lowest <= value <= highest:
                return value
        anywhere = (lowest, highest) == (-FURTHEST, FURTHEST)
        raise self.unlike("a number" if anywhere else f"a number from {lowest} to {highest}")

    def whole_number(self, lowest: int, highest: int | None = None) -> int:
        """Return a whole number in a range."""
        value = self.value
        if type(value) is not int or value < lowest or (highest is not None and value > highest):
            up = f"from {lowest} to {highest}" if highest is not None else f"from {lowest}"
            raise self.unlike(f"a whole number {up}")
        return value

    def choice(self, choices: type[_Choice]) -> _Choice:
        """Return the member of an enumeration with this value."""
        if isinstance(self.value, str):
            try:
                return choices(self.value)
            except ValueError:
                pass  # the error below names the place
        raise self.unlike(f"one of {', '.join(str(one.value) for one in choices)}")

    def one_of(self, *words: str, default: str | None = None) -> str:
        """Return a string that is one of the words; the default if it is missing."""
        if self.value is None and default is not None:
            return default
        if not isinstance(self.value, str) or self.value not in words:
            raise self.unlike(f"one of {', '.join(words)}")
        return self.value

    def day(self) -> datetime.date:
        """Return a day: a local date of TOML, or a string of the same form."""
        value = self.value
        if isinstance(value, str) and _DAY.fullmatch(value):
            try:
                return datetime.date.fromisoformat(value)
            except ValueError as error:
                raise self.unlike("a day, such as 2026-12-31") from error
        if not isinstance(value, datetime.date) or isinstance(value, datetime.datetime):
            raise self.unlike("a day, such as 2026-12-31")
        return value


def _show(value: object) -> str:
    if isinstance(value, int) and value.bit_length() > 64:
        return "a number with too many digits"  # printing it would fail, or take long
    if value is None:
        return "null"
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return printable(str(value), 60)
