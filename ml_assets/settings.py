"""Settings: ``[tool.ml-assets]`` of ``pyproject.toml``, or ``ml-assets.toml`` where there is none.

Everything has a default that works; an unknown key is an error, so that a misspelt one cannot
silently do nothing.
"""

from __future__ import annotations

import fnmatch
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from resources.errors import ConfigurationError

#: The owners that Dagster takes, but for teams with a space in their names.
_OWNER = re.compile(r"team:\S+|[A-Za-z0-9_][A-Za-z0-9._%+-]*@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}")

#: Seconds. A time-out of far more would overflow when it is set, and never come.
LONGEST = 10**9


class Granularity(Enum):
    """What one Dagster step is: the whole graph, or one stage of it."""

    PIPELINE = "pipeline"
    STAGE = "stage"


@dataclass(frozen=True)
class Performance:
    """The performance check of a model.

    Attributes:
        command: run in the project's root; ``{model}`` and ``{report}`` are replaced by paths.
        model: the location of the model; None takes the one artifact of type ``model``.
        timeout: seconds.
    """

    command: str = "python scripts/performance_tests.py --model {model} --report {report}"
    model: str | None = None
    timeout: float = 600.0


@dataclass(frozen=True)
class Settings:
    """How a project is run.

    Attributes:
        jobs: capacity; 0 takes the number of cores.
        keep_going: after a failure go on with what does not depend on it.
        wait: seconds to wait for another run in the same checkout.
        environment: patterns of variable names that a stage gets even where they look secret.
        weights: capacity that stages take, by pattern of their names.
        mutexes: patterns of stage names by the name of a resource only one may hold.
        owners: owners by pattern of locations; ``team:NAME`` or an e-mail address.
    """

    jobs: int = 0
    granularity: Granularity = Granularity.PIPELINE
    keep_going: bool = False
    wait: float = 600.0
    environment: tuple[str, ...] = ()
    weights: Mapping[str, int] = field(default_factory=dict)
    mutexes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    owners: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    performance: Performance = field(default_factory=Performance)

    @property
    def capacity(self) -> int:
        """How many stages of weight 1 run at once."""
        if hasattr(os, "sched_getaffinity"):
            return self.jobs or len(os.sched_getaffinity(0))
        return self.jobs or os.cpu_count() or 1

    def weights_of(self, stages: Iterable[str]) -> dict[str, int]:
        """Return the weights of those stages that weigh more than 1."""
        return {
            stage: weight
            for stage in stages
            for pattern, weight in self.weights.items()
            if fnmatch.fnmatchcase(stage, pattern)
        }

    def mutexes_of(self, stages: Iterable[str]) -> dict[str, list[str]]:
        """Return the resources that stages hold alone."""
        held: dict[str, list[str]] = {}
        for stage in stages:
            for name, patterns in self.mutexes.items():
                if any(fnmatch.fnmatchcase(stage, pattern) for pattern in patterns):
                    held.setdefault(stage, []).append(name)
        return held

    def owners_of(self, location: str) -> tuple[str, ...]:
        """Return the owners of a location: those of the first pattern that it matches."""
        for pattern, owners in self.owners.items():
            if fnmatch.fnmatchcase(location, pattern):
                return owners
        return ()


def load_settings(root: Path) -> Settings:
    """Load a project's settings.

    Raises:
        ConfigurationError: a file is not TOML, or a setting is unknown or of another type.
    """
    for name, path in (("pyproject.toml", ("tool", "ml-assets")), ("ml-assets.toml", ())):
        file = root / name
        try:
            table: Any = tomllib.loads(file.read_text("utf-8"))
        except FileNotFoundError:
            continue
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                f"cannot parse: {file}: {error}", f"mend it: {file}"
            ) from error
        for key in path:
            table = _Table(table, name).mapping(key)
        if table:
            return parse_settings(table, name)
    return Settings()


def parse_settings(table: Mapping[str, Any], where: str) -> Settings:
    """Parse one table of settings.

    Args:
        where: the file's name, for messages.

    Raises:
        ConfigurationError: a setting is unknown, or of another type or range.
    """
    reader = _Table(table, where)
    performance = _Table(reader.mapping("performance"), f"{where}: performance")
    settings = Settings(
        jobs=reader.whole_number("jobs"),
        granularity=reader.granularity(),
        keep_going=reader.flag("keep-going"),
        wait=reader.seconds("wait", 600.0),
        environment=reader.texts("environment"),
        weights={str(k): _weight(v, where) for k, v in reader.mapping("weights").items()},
        mutexes=_Table(reader.mapping("mutexes"), f"{where}: mutexes").all_texts(),
        owners=_owners(_Table(reader.mapping("owners"), f"{where}: owners").all_texts(), where),
        performance=Performance(
            command=performance.text("command") or Performance.command,
            model=performance.text("model"),
            timeout=performance.seconds("timeout", Performance.timeout),
        ),
    )
    reader.refuse_unknown()
    performance.refuse_unknown()
    return settings


class _Table:
    """One table, read key by key; what nobody asked for is unknown."""

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self._values = values
        self._where = where
        self._known: list[str] = []

    def _get(self, key: str, kind: type | tuple[type, ...], expected: str) -> Any:
        self._known.append(key)
        value = self._values.get(key)
        if value is not None and (
            not isinstance(value, kind) or isinstance(value, bool) is not (kind is bool)
        ):
            raise _wrong(self._where, key, expected)
        return value

    def seconds(self, key: str, default: float) -> float:
        value = self._get(key, (int, float), "a number that is not negative")
        if value is not None and not value >= 0:
            raise _wrong(self._where, key, "a number that is not negative")
        if value is not None and value > LONGEST:
            raise _wrong(self._where, key, f"a number up to {LONGEST}")
        return default if value is None else float(value)

    def whole_number(self, key: str) -> int:
        value = self._get(key, int, "a whole number, 0 or more") or 0
        if value < 0:
            raise _wrong(self._where, key, "a whole number, 0 or more")
        return int(value)

    def flag(self, key: str) -> bool:
        return bool(self._get(key, bool, "true or false"))

    def text(self, key: str) -> str | None:
        value: str | None = self._get(key, str, "a string")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        values = self._get(key, list, "a list of strings") or []
        if not all(isinstance(value, str) for value in values):
            raise _wrong(self._where, key, "a list of strings")
        return tuple(values)

    def all_texts(self) -> dict[str, tuple[str, ...]]:
        return {key: self.texts(key) for key in self._values}

    def mapping(self, key: str) -> dict[str, Any]:
        return dict(self._get(key, dict, "a table") or {})

    def granularity(self) -> Granularity:
        value = self.text("granularity") or Granularity.PIPELINE.value
        try:
            return Granularity(value)
        except ValueError:
            choices = " or ".join(choice.value for choice in Granularity)
            raise _wrong(self._where, "granularity", choices) from None

    def refuse_unknown(self) -> None:
        unknown = sorted(set(self._values) - set(self._known))
        if unknown:
            raise ConfigurationError(
                f"unknown setting in {self._where}: {', '.join(unknown)}",
                f"known are: {', '.join(sorted(self._known))}",
            )


def _weight(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise _wrong(where, "weights", "whole numbers from 1 on")
    return value


def _owners(owners: dict[str, tuple[str, ...]], where: str) -> dict[str, tuple[str, ...]]:
    for pattern, names in owners.items():
        if not all(_OWNER.fullmatch(name) for name in names):
            expected = "e-mail addresses, or names as in: team:vision"
            raise _wrong(f"{where}: owners", pattern, expected)
    return owners


def _wrong(where: str, key: str, expected: str) -> ConfigurationError:
    return ConfigurationError(f"wrong setting in {where}: {key}", f"write {expected}")
