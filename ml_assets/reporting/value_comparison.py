"""The value comparison: metrics or parameters of the working tree and of another commit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ml_assets.reporting.comparison_base import Base, read_for_display
from resources.dvc.checkout.checkout import Checkout
from resources.errors import ConfigurationError

#: The file that DVC reads parameters from where a stage names no file.
_DEFAULT_PARAMS = "params.yaml"


#: Stands for a value that a file does not have; null is a value.
ABSENT = object()


@dataclass(frozen=True)
class ValueComparison:
    """One value of one file, now and before.

    Attributes:
        name: its keys, joined by dots.
        now: a number, a text, a truth value, null, a list, an empty mapping, or ``ABSENT``.
    """

    file: str
    name: str
    now: Any
    before: Any

    @property
    def is_changed(self) -> bool:
        """Whether the values differ; NaN equals NaN, and true is no number."""
        if isinstance(self.now, bool) or isinstance(self.before, bool):
            return self.now is not self.before
        return not (self.now == self.before or (_is_nan(self.now) and _is_nan(self.before)))

    @property
    def change(self) -> float | None:
        """The difference of two numbers; None of other values, and beyond the range of floats."""
        if not (is_number(self.now) and is_number(self.before)):
            return None
        try:
            return float(self.now - self.before)
        except OverflowError:
            return None


def is_number(value: Any) -> bool:
    """Whether a value is a number, and no truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def compare_values(
    checkout: Checkout, base: Base, files: Iterable[str]
) -> tuple[list[ValueComparison], list[str]]:
    """Compare all values of some files.

    Returns:
        The values in the order of the files, and the files that cannot be read.
    """
    files = list(dict.fromkeys(files))
    earlier = base.read(checkout, files)
    values: list[ValueComparison] = []
    unreadable: list[str] = []
    for file in files:
        try:
            content = read_for_display(checkout, file)
            now = _parse(checkout, file, content) if content is not None else {}
            before = _parse(checkout, file, earlier[file]) if file in earlier else {}
        except (ConfigurationError, OSError):
            unreadable.append(file)
            continue
        if content is None:
            unreadable.append(file)
        for name in dict.fromkeys([*now, *before]):
            found = now.get(name, ABSENT), before.get(name, ABSENT)
            values.append(ValueComparison(file, name, *found))
    return values, unreadable


def compare_metrics(checkout: Checkout, base: Base) -> tuple[list[ValueComparison], list[str]]:
    """Compare all numbers of all metrics files.

    Returns:
        The metrics, and the unreadable files.
    """
    values, unreadable = compare_values(checkout, base, list_metrics_files(checkout))
    return [one for one in values if is_number(one.now) or is_number(one.before)], unreadable


def list_metrics_files(checkout: Checkout) -> list[str]:
    """Return the metrics files of stages and of the section ``metrics``."""
    manifest = checkout.manifest
    outs = [out.location for stage in manifest.stages for out in stage.outs if out.role == "metric"]
    return [one for one in dict.fromkeys([*outs, *manifest.metrics]) if "://" not in one]


def list_params_files(checkout: Checkout) -> list[str]:
    """Return the parameters files of stages and of the section ``params``, and ``params.yaml``."""
    manifest = checkout.manifest
    used = [params.location for stage in manifest.stages for params in stage.params]
    return list(dict.fromkeys([_DEFAULT_PARAMS, *manifest.params, *used]))


def _parse(checkout: Checkout, file: str, content: bytes) -> dict[str, Any]:
    document = checkout.documents.parse_content(content, checkout.root / file)
    return dict(_flatten(document, ""))


def _flatten(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flatten(inner, f"{name}.{key}" if name else str(key))
    elif name or not isinstance(value, Mapping):
        yield name or "value", value
