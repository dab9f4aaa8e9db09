"""The parameters in params.yaml: each stage reads only the sections that it declares."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from flight_delays.errors import ParameterError


@dataclass(frozen=True)
class Section:
    """One mapping of params.yaml, with its path.

    Attributes:
        name: The dotted name, such as ``candidates.gradient_boosting``.
        values: The content of the mapping.
    """

    name: str
    values: Mapping[str, object]

    def section(self, key: str) -> "Section":
        """Return the mapping under a key."""
        value = self._value(key)
        if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
            raise self._wrong(key, "a mapping")
        return Section(self._dotted(key), value)

    def integer(self, key: str, *, least: int = 0) -> int:
        """Return an integer of at least ``least``."""
        value = self._value(key)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise self._wrong(key, f"an integer of at least {least}")
        return value

    def number(self, key: str) -> float:
        """Return a finite number above zero."""
        value = self._value(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(key, "a number")
        if not (math.isfinite(value) and value > 0):
            raise self._wrong(key, "a number above zero")
        return float(value)

    def text(self, key: str) -> str:
        """Return a non-empty string."""
        value = self._value(key)
        if not isinstance(value, str) or not value:
            raise self._wrong(key, "a string")
        return value

    def integers(self, key: str) -> tuple[int, ...]:
        """Return a list of integers."""
        value = self._value(key)
        if not isinstance(value, list) or not all(type(item) is int for item in value):
            raise self._wrong(key, "a list of integers")
        return tuple(value)

    def _value(self, key: str) -> object:
        if key not in self.values:
            raise ParameterError(
                f"parameter is missing: {self._dotted(key)}", hint="add it to params.yaml"
            )
        return self.values[key]

    def _wrong(self, key: str, expected: str) -> ParameterError:
        return ParameterError(
            f"parameter is not {expected}: {self._dotted(key)}: {self.values[key]!r}",
            hint="correct it in params.yaml",
        )

    def _dotted(self, key: str) -> str:
        return f"{self.name}.{key}" if self.name else key


def load_parameters(path: Path) -> Section:
    """Load params.yaml.

    Raises:
        ParameterError: The file is missing or is not a YAML mapping.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ParameterError(
            f"cannot read the parameters: {path}: {error}", hint="name another file with --params"
        ) from error
    if not isinstance(content, dict):
        raise ParameterError(f"parameters are not a mapping: {path}", hint="correct the file")
    return Section("", content)
