"""The metrics of a model: the numbers in its metrics files, each with its slice of the data.

The settings name the files; by default they are the metrics of the stage that wrote the model and
of each stage that reads it. In a file the last key is the metric, and the keys before it, joined by
dots, are its slice. With several files, the file name precedes the slice. Texts and truth values
are properties of the card.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from ml_assets.project.settings.model_cards import ModelCardSettings
from resources.dvc.cache.content import Content
from resources.dvc.checkout.checkout import Checkout
from resources.dvc.graph.manifest import Manifest
from resources.errors import ConfigurationError, UnavailableError
from security.bom.model_description import Metric

_Facts = tuple[tuple[str, str], ...]


class VerifiedFiles(Protocol):
    """Reads files that are as recorded."""

    def content(self, location: str) -> Content:
        """Return the content of a location."""

    def verify_out(self, location: str) -> Content:
        """Return the content of an out that is as its stage wrote it."""


def read_metrics(
    checkout: Checkout, files: VerifiedFiles, stated: ModelCardSettings, location: str
) -> tuple[tuple[Metric, ...], _Facts]:
    """Read the metrics of a model, and facts about them.

    Raises:
        ConfigurationError: a file is malformed, or contains a number that is not finite.
        UnavailableError: a file is missing or changed.
    """
    metrics: list[Metric] = []
    facts: list[tuple[str, str]] = []
    named = stated.metrics or tuple(_find(checkout.manifest, location))
    for file in sorted(set(named)):
        facts.append(_identify(checkout.manifest, files, "metrics-file", file))
        where = f"{file}: " if len(set(named)) > 1 else ""
        for names, value in _leaves(_parse(checkout, file), ()):
            slice = ".".join(names[:-1])
            if isinstance(value, str | bool):
                facts.append((f"metric:{'.'.join(names)}", str(value).lower()[:500]))
            elif value is not None:
                shown = f"{where}{slice}".removesuffix(": ")
                metrics.append(Metric(names[-1], _number(value, file, names), shown))
    if stated.performance is not None:
        report = stated.performance
        facts.append(_identify(checkout.manifest, files, "performance-file", report))
        metrics += _read_performance(_parse(checkout, report), report, facts)
    return tuple(metrics), tuple(facts)


def _find(manifest: Manifest, location: str) -> Iterator[str]:
    writer = manifest.producer[location]
    for stage in manifest.stages:
        reads = any(location in dep.producers for dep in stage.deps)
        if reads or stage is writer:
            yield from (out.location for out in stage.outs if out.role == "metric")


def _identify(
    manifest: Manifest, files: VerifiedFiles, name: str, location: str
) -> tuple[str, str]:
    """Return a property with the digest of a file."""
    outside = os.path.isabs(location) or os.path.normpath(location).startswith("..")
    if outside or "://" in location:
        raise ConfigurationError(
            f"not a file of the project: {location}", "name files of the repository in model-cards"
        )
    known = location in manifest.producer
    content = files.verify_out(location) if known else files.content(location)
    return name, f"{location} sha256:{content.sha256}"


def _parse(checkout: Checkout, location: str) -> Any:
    try:
        return checkout.parse(location)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise UnavailableError(f"no such file: {location}", "create it: ml-assets run") from error


def _leaves(value: Any, names: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, (*names, str(key)))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _leaves(inner, (*names, str(number)))
    else:
        yield names or ("value",), value


def _number(value: Any, file: str, names: tuple[str, ...]) -> str:
    if not isinstance(value, int | float) or not _is_finite(value):
        where = f"{file}: {'.'.join(names)}"
        raise ConfigurationError(
            f"not a finite number: {where}", f"fix the stage that writes {file}"
        )
    return json.dumps(value)


def _is_finite(value: int | float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer larger than all floats
        return False


def _read_performance(report: Any, file: str, facts: list[tuple[str, str]]) -> Iterator[Metric]:
    """Read the report of a performance test, in the form of the ``performance`` gate."""
    verdict = report.get("verdict") if isinstance(report, Mapping) else None
    metrics = report.get("metrics") if isinstance(report, Mapping) else None
    if verdict not in ("passed", "failed") or not isinstance(metrics, Mapping) or not metrics:
        raise ConfigurationError(
            f"not a performance report: {file}",
            "write it with: python scripts/performance_tests.py --report FILE",
        )
    facts.append(("performance:verdict", str(verdict)))
    for name, value in metrics.items():
        if isinstance(value, bool):
            value = None
        yield Metric(str(name), _number(value, file, (str(name),)), "performance")
