"""One field of an outside document, with its place in it, so that a complaint can name it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from security.advisories.errors import MalformedAdvisoryError

LONGEST_NAME = 512
_Choice = TypeVar("_Choice", bound=Enum)


@dataclass(slots=True, eq=False)  # not frozen: setting frozen attributes takes half of a parse
class Field:
    """A value as JSON or YAML gives it.

    Attributes:
        value: None where there is none: the schema lets optional fields be null.
        where: the document.
        path: the place in it, such as ``affected[0].ranges[1]``.
    """

    value: object
    where: str
    path: str

    @property
    def exists(self) -> bool:
        """Say whether there is a value."""
        return self.value is not None

    def wrong(self, what: str) -> MalformedAdvisoryError:
        """Return the complaint about this field."""
        return MalformedAdvisoryError(f"{self.where}: {self.path or 'record'}", what)

    def get(self, key: str) -> Field:
        """Return a field below this one, which has to be an object or to be missing."""
        path = f"{self.path}.{key}" if self.path else key
        if self.value is None and self.path:
            return Field(None, self.where, path)
        if not isinstance(self.value, dict):
            raise self.wrong(f"not an object: {_kind(self.value)}")
        return Field(self.value.get(key), self.where, path)

    def keys(self) -> list[str]:
        """Return the keys of an object."""
        if not isinstance(self.value, dict):
            raise self.wrong(f"not an object: {_kind(self.value)}")
        return list(self.value)

    def loose(self, key: str) -> object:
        """Return what is below a field where its publisher may put anything; None for nothing."""
        return self.value.get(key) if isinstance(self.value, dict) else None

    def items(self) -> Iterator[Field]:
        """Iterate over a list; a missing one is empty."""
        if self.value is None:
            return
        if not isinstance(self.value, list):
            raise self.wrong(f"not a list: {_kind(self.value)}")
        for index, value in enumerate(self.value):
            item = Field(value, self.where, f"{self.path}[{index}]")
            if value is None:
                raise item.wrong("missing")
            yield item

    def texts(self) -> tuple[str, ...]:
        """Return a list of strings."""
        if isinstance(self.value, list) and all(isinstance(one, str) for one in self.value):
            return tuple(self.value)  # the usual case, in one pass: some lists are long
        return tuple(one.text() for one in self.items())

    def text(self) -> str:
        """Return a string.

        Numbers are refused: a version 1.10 that has been read as a number is 1.1.
        """
        if self.value is None:
            raise self.wrong("missing")
        if not isinstance(self.value, str):
            raise self.wrong(f"not a string: {_kind(self.value)}")
        return self.value

    def name(self) -> str:
        """Return a string that is not empty, not endless and holds no control character."""
        text = self.text()
        if not text or text != text.strip():
            raise self.wrong("empty, or with space around it")
        if len(text) > LONGEST_NAME:
            raise self.wrong(f"longer than {LONGEST_NAME} characters")
        if not text.isprintable():
            raise self.wrong("holds a control character")
        return text

    def identifier(self) -> str:
        """Return a name without space in it."""
        text = self.name()
        if " " in text:
            raise self.wrong("holds a space")
        return text

    def one_of(self, choices: type[_Choice]) -> _Choice:
        """Return the member of an enumeration that this string names."""
        text = self.text()
        for choice in choices:
            if choice.value == text:
                return choice
        raise self.wrong(f"not one of {', '.join(str(one.value) for one in choices)}: {text[:40]}")


def _kind(value: object) -> str:
    return "missing" if value is None else type(value).__name__
