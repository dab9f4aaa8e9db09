"""Settings: ``[tool.ml-assets]`` of ``pyproject.toml``, or ``ml-assets.toml`` where there is none.

Everything has a default that works; an unknown key is an error, so that a misspelt one cannot
silently do nothing.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from ml_assets.project.settings.gates import GateSettings, parse_gate_settings
from ml_assets.project.settings.model_cards import ModelCardSettings, parse_model_cards
from ml_assets.project.settings.signing import SigningSettings, parse_signing_settings
from ml_assets.project.settings.table import LONGEST, settings_table
from ml_assets.project.settings.watch import WatchSettings, parse_watch_settings
from resources.errors import ConfigurationError
from security.content.document import DocumentError, parse_toml
from security.content.table import Table

#: Bytes of the largest file with settings.
_MOST_BYTES = 1 << 20
#: The owners that Dagster takes, but for teams with a space in their names.
_OWNER = re.compile(r"team:\S+|[A-Za-z0-9_][A-Za-z0-9._%+-]*@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}")


class Granularity(Enum):
    """What one Dagster step is: the whole graph, or one stage of it."""

    PIPELINE = "pipeline"
    STAGE = "stage"


class Confinement(Enum):
    """Whether stages' processes are kept from keys and stored results by the kernel."""

    IF_POSSIBLE = "if-possible"
    REQUIRED = "required"
    OFF = "off"


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
        gates: how gates judge. Those that count are the protected branch's (``Protection``).
        model_cards: what is stated about models, by pattern of their locations.
        signing: who signs, and where statements lie. The protected branch's count here too.
        watch: which branches become runs.
        pull: data that is not here is taken from DVC's cache and its remote when it is needed.
        confinement: of stages' processes. The protected branch's counts here too.
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
    gates: GateSettings = field(default_factory=GateSettings)
    model_cards: Mapping[str, ModelCardSettings] = field(default_factory=dict)
    signing: SigningSettings = field(default_factory=SigningSettings)
    watch: WatchSettings = field(default_factory=WatchSettings)
    pull: bool = False
    confinement: Confinement = Confinement.IF_POSSIBLE

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


#: The files that hold settings, in the order in which they are looked at, with the table in each.
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
        files: contents of those of ``FILES`` that there are.
        where: they come from, for messages.

    Raises:
        ConfigurationError: a file is not TOML, or a setting is unknown or of another type.
    """
    for name, path in FILES.items():
        if name not in files:
            continue
        try:
            table = settings_table(parse_toml(files[name], _MOST_BYTES), name)
        except DocumentError as error:
            file = os.path.join(where, name)
            message = f"cannot parse: {file}: {error.message}"
            raise ConfigurationError(message, f"mend it: {file}") from error
        for key in path:
            table = table.table(key)
        if table.keys():
            return parse_settings(table)
    return Settings()


def parse_settings(table: Table) -> Settings:
    """Parse one table of settings.

    Raises:
        ConfigurationError: a setting is unknown, or of another type or range.
    """
    performance = table.table("performance")
    settings = Settings(
        jobs=table.whole_number("jobs", 0, 0),
        granularity=table.choice("granularity", Granularity.PIPELINE),
        keep_going=table.flag("keep-going"),
        wait=float(table.number("wait", 600.0, 0, LONGEST)),
        environment=table.texts("environment"),
        weights=_weights(table.table("weights")),
        mutexes=table.table("mutexes").all_texts(),
        owners=_owners(table.table("owners")),
        performance=Performance(
            command=performance.text("command") or Performance.command,
            model=performance.text("model"),
            timeout=float(performance.number("timeout", Performance.timeout, 0, LONGEST)),
        ),
        gates=parse_gate_settings(table.table("gates")),
        model_cards=parse_model_cards(table.table("model-cards")),
        signing=parse_signing_settings(table.table("signing")),
        watch=parse_watch_settings(table.table("watch")),
        pull=table.flag("pull"),
        confinement=table.choice("confinement", Confinement.IF_POSSIBLE),
    )
    table.refuse_unknown()
    performance.refuse_unknown()
    return settings


def _weights(table: Table) -> dict[str, int]:
    return {stage: table.whole_number(stage, 1, 1) for stage in table.keys()}


def _owners(table: Table) -> dict[str, tuple[str, ...]]:
    owners = table.all_texts()
    for pattern, names in owners.items():
        if not all(_OWNER.fullmatch(name) for name in names):
            hint = "write e-mail addresses, or names as in: team:vision"
            raise table.error(pattern, "not an owner", hint)
    return owners
