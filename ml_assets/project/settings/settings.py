"""Settings: ``[tool.ml-assets]`` of ``pyproject.toml``, or ``ml-assets.toml``.

Each setting has a default that works. An unknown key is an error.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from ml_assets.project.settings.gates import GateSettings
from ml_assets.project.settings.model_cards import ModelCardSettings
from ml_assets.project.settings.reader import read_table, wrong
from ml_assets.project.settings.signing import SigningSettings
from ml_assets.project.settings.stages import StageSettings
from ml_assets.project.settings.watch import WatchSettings
from resources.dvc.run.stage_limits import StageLimits
from resources.errors import ConfigurationError
from security.content.document import DocumentError, parse_toml
from security.content.setting import seconds, setting
from security.gates.settings import Performance

#: The owners that Dagster accepts, without its teams with a space in their name.
_OWNER = r"team:\S+|[A-Za-z0-9_][A-Za-z0-9._%+-]*@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}"

#: Bytes of the largest file with settings.
_MOST_BYTES = 1 << 20


class Granularity(Enum):
    """The size of a Dagster step: the whole graph, or one stage."""

    PIPELINE = "pipeline"
    STAGE = "stage"


class Confinement(Enum):
    """Whether the kernel denies stage processes access to keys and stored results."""

    IF_POSSIBLE = "if-possible"
    REQUIRED = "required"
    OFF = "off"


@dataclass(frozen=True)
class Settings:
    """The configuration of runs."""

    jobs: int = setting(
        0, "Stages to run at once.", minimum=0, unset="number of cores", example="4"
    )
    granularity: Granularity = setting(
        Granularity.PIPELINE,
        "One Dagster step for the whole graph, or one for each stage, for executors that spread"
        " steps over machines.",
        example='"stage"',
    )
    keep_going: bool = setting(
        False, "After a failure, continue with stages that do not depend on it.", example="true"
    )
    wait: float = seconds(
        600.0, "Seconds to wait for another run in the same checkout.", example="60"
    )
    environment: tuple[str, ...] = setting(
        (),
        "Patterns of variables to pass to stages although their names look like credentials.",
        example='["HF_TOKEN", "AWS_*"]',
    )
    pull: bool = setting(
        False,
        "Take missing data from DVC's cache or remote when a stage or gate needs it.",
        example="true",
    )
    confinement: Confinement = setting(
        Confinement.IF_POSSIBLE,
        "Deny stages access to keys and stored results where the kernel can, always (or refuse to"
        " run), or never.",
        example='"required"',
    )
    writable: tuple[str, ...] = setting(
        (),
        "Paths that stages may write although this program or Git trusts them; provenance lists"
        " them.",
        example='[".git"]',
    )
    weights: Mapping[str, int] = setting(
        {},
        "Share of `jobs` that a stage takes, by pattern of stage names.",
        minimum=1,
        example='{ "train*" = 2 }',
    )
    mutexes: Mapping[str, tuple[str, ...]] = setting(
        {},
        "Stages that must not run together: patterns of stage names, by the name of a shared"
        " resource.",
        example='{ gpu = ["train*", "embed"] }',
    )
    owners: Mapping[str, tuple[str, ...]] = setting(
        {},
        "Owners of assets, by pattern of paths: `team:NAME` or an e-mail address.",
        pattern=_OWNER,
        expected="e-mail addresses, or names as in: team:vision",
        example='{ "models/*" = ["team:ml"] }',
    )
    stages: Mapping[str, StageSettings] = setting({}, "Limits of stages, by pattern of names.")
    performance: Performance = setting(Performance(), "The performance test.")
    gates: GateSettings = setting(GateSettings(), "The gates.")
    model_cards: Mapping[str, ModelCardSettings] = setting({}, "Model cards, by pattern of paths.")
    signing: SigningSettings = setting(SigningSettings(), "The signer.")
    watch: WatchSettings = setting(WatchSettings(), "The watched branches.")

    @property
    def capacity(self) -> int:
        """The number of stages of weight 1 that run at once."""
        if hasattr(os, "sched_getaffinity"):
            return self.jobs or len(os.sched_getaffinity(0))
        return self.jobs or os.cpu_count() or 1

    def weights_of(self, stages: Iterable[str]) -> dict[str, int]:
        """Return the weights of the stages that have one."""
        return {
            stage: weight
            for stage in stages
            for pattern, weight in self.weights.items()
            if fnmatch.fnmatchcase(stage, pattern)
        }

    def mutexes_of(self, stages: Iterable[str]) -> dict[str, list[str]]:
        """Return the shared resources that stages must hold alone."""
        held: dict[str, list[str]] = {}
        for stage in stages:
            for name, patterns in self.mutexes.items():
                if any(fnmatch.fnmatchcase(stage, pattern) for pattern in patterns):
                    held.setdefault(stage, []).append(name)
        return held

    def limits_of(self, stages: Iterable[str]) -> dict[str, StageLimits]:
        """Return the time limits and retries of the stages that have a matching table."""
        limits: dict[str, StageLimits] = {}
        for stage in stages:
            for pattern, one in self.stages.items():
                if fnmatch.fnmatchcase(stage, pattern):
                    limits[stage] = StageLimits(one.time_limit, one.retries)
                    break
        return limits

    def owners_of(self, location: str) -> tuple[str, ...]:
        """Return the owners of the first pattern that matches a location."""
        for pattern, owners in self.owners.items():
            if fnmatch.fnmatchcase(location, pattern):
                return owners
        return ()


#: The files with settings in the order of precedence, each with the path of its table.
FILES = {"pyproject.toml": ("tool", "ml-assets"), "ml-assets.toml": ()}


def load_settings(root: Path) -> Settings:
    """Load a project's settings from its working tree.

    Raises:
        ConfigurationError: a file is not TOML, or a setting is unknown or of another type.
    """
    return read_settings(
        {name: (root / name).read_bytes() for name in FILES if (root / name).is_file()}, str(root)
    )


def read_settings(files: Mapping[str, bytes], where: str) -> Settings:
    """Read a project's settings.

    Args:
        files: contents by name, for those of ``FILES`` that exist.
        where: the origin of the files, for messages.

    Raises:
        ConfigurationError: a file is not TOML, or a setting is unknown or of another type.
    """
    for name, path in FILES.items():
        if name not in files:
            continue
        try:
            table: Any = parse_toml(files[name], _MOST_BYTES)
        except DocumentError as error:
            file = os.path.join(where, name)
            message = f"cannot parse: {file}: {error.message}"
            raise ConfigurationError(message, f"correct it: {file}") from error
        for key in path:
            table = table.get(key, {})
            if not isinstance(table, dict):
                raise wrong(name, key, "a table")
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
    return read_table(Settings, table, where)
