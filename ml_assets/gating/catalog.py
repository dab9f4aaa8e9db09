"""The kit of gates: which gates a project has, and which of them judge what."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from typing import TypeAlias

from ml_assets.gating.gate_factory import GateFactory
from ml_assets.gating.runner import SOURCE, Case
from ml_assets.project.model_outs import find_models, find_named_data, find_named_models
from ml_assets.project.rules import Rules
from ml_assets.project.settings.settings import Performance
from resources.dvc.cache.content import Content
from resources.dvc.checkout.checkout import Checkout
from resources.errors import ConfigurationError
from security.content.model_name import looks_like_model
from security.gates.interface import Gate, Kind
from security.policy.policy import Environment

Wants: TypeAlias = Callable[[str], bool]

#: The gates that every project has, by what they judge; the project's own come after them.
_BUILT_IN = {
    "format": Kind.SOURCE,
    "lint": Kind.SOURCE,
    "types": Kind.SOURCE,
    "code-security": Kind.SOURCE,
    "secrets": Kind.SOURCE,
    "workflows": Kind.SOURCE,
    "dependencies": Kind.SOURCE,
    "unit-tests": Kind.SOURCE,
    "integration-tests": Kind.SOURCE,
    "data": Kind.DATA,
    "model-file": Kind.MODEL,
    "model-validation": Kind.MODEL,
    "performance": Kind.MODEL,
}


class GateKit:
    """The gates of one checkout. Each is made, and its module imported, when it is first needed.

    Args:
        rules: settings of gates come from there.
        environment: of the policy; a gate that it turns off has no cases.
        written: what outs are known to hold that were made just now, by location.
    """

    def __init__(
        self,
        checkout: Checkout,
        rules: Rules,
        environment: Environment,
        written: Mapping[str, Content],
    ) -> None:
        self._checkout = checkout
        self._settings = rules.settings.gates
        self._performance = rules.settings.performance
        self._protection = rules.protection
        self._factory = GateFactory(checkout, rules, environment, written)
        self._gates: dict[str, Gate] = {}
        self._guard = threading.Lock()

    @cached_property
    def kinds(self) -> dict[str, Kind]:
        """What each gate judges, by its name.

        Raises:
            ConfigurationError: a gate of the project's own would stand in for one that is built in.
        """
        own = {name: Kind(one.judges) for name, one in self._settings.commands.items()}
        taken = sorted(own.keys() & _BUILT_IN.keys())
        if taken:
            raise ConfigurationError(
                f"a gate of this name is built in: {', '.join(taken)}",
                "give the command another name, and turn off in the policy what you do not want",
            )
        return {**_BUILT_IN, **own}

    def gate(self, name: str) -> Gate:
        """Return a gate by its name."""
        with self._guard:
            if name not in self._gates:
                self._gates[name] = self._factory.make(name)
            return self._gates[name]

    def source_cases(self, files: Collection[str], wants: Wants) -> list[Case]:
        """Return the gates that have something to judge in the source tree.

        Args:
            files: of the source tree.
            wants: says of which gates, by name.
        """
        names = [name for name, kind in self.kinds.items() if kind is Kind.SOURCE and wants(name)]
        gates = map(self.gate, names)
        return [Case(gate, SOURCE) for gate in gates if self._has_something(gate, files)]

    def out_cases(self, location: str, wants: Wants) -> list[Case]:
        """Return the gates that have something to judge in an out, which there are none if it is
        neither there nor can be supplied.
        """
        there = os.path.lexists(self._checkout.path(location))
        if not there and self._checkout.identify(location) is None:
            return []
        return self.declared_cases(location, wants)

    def declared_cases(self, location: str, wants: Wants) -> list[Case]:
        """Return the gates of an out, whether or not it is there."""
        kind = Kind.MODEL if location in self.models else Kind.DATA
        return self._cases(kind, location, wants)

    def consumed_cases(self, location: str, wants: Wants) -> list[Case]:
        """Return the gates of what a stage reads and no stage writes: of models among it.

        Args:
            location: of a file or a directory.
        """
        content = self._checkout.read(location) if "://" not in location else None
        if content is None:
            return []
        names = [f"{location}/{entry.path}" for entry in content.entries or ()] or [location]
        models = [name for name in names if looks_like_model(name)]
        return [case for name in models for case in self._cases(Kind.MODEL, name, wants)]

    def _cases(self, kind: Kind, location: str, wants: Wants) -> list[Case]:
        return [
            Case(self.gate(name), location)
            for name, judged in self.kinds.items()
            if judged is kind and wants(name) and self._judges(name, location)
        ]

    def _judges(self, name: str, location: str) -> bool:
        if name == "performance":
            return location == self._measured
        if name == "model-validation":
            suite = self._settings.model_validation
            return location in self._named_models and (
                self._has_tests(suite.paths) or self._settings.model_validation.metrics is not None
            )
        return True

    @cached_property
    def models(self) -> frozenset[str]:
        """The outs that are models."""
        return self._named_models | frozenset(find_models(self._checkout.manifest))

    @cached_property
    def named_data(self) -> frozenset[str]:
        """The outs that the repository itself calls data."""
        return frozenset(find_named_data(self._checkout.manifest, self._settings.data))

    @cached_property
    def _named_models(self) -> frozenset[str]:
        """The outs that are called models, the one among them that the settings have measured."""
        manifest = self._checkout.manifest
        measured = [self._performance.model] if self._performance.model is not None else []
        return frozenset(find_named_models(manifest)) | (manifest.producer.keys() & measured)

    @cached_property
    def _measured(self) -> str | None:
        """The one model that there is a performance test for."""
        settings = self._performance
        if settings.model is not None:
            return settings.model
        script = "scripts/performance_tests.py"
        is_there = (self._checkout.root / script).is_file() or script in self._protection.paths
        if settings.command == Performance.command and not is_there:
            return None
        return next(iter(self._named_models)) if len(self._named_models) == 1 else None

    def _has_something(self, gate: Gate, files: Collection[str]) -> bool:
        """Whether a gate has anything to judge in the source tree."""
        if gate.name == "dependencies":
            return True  # if no file lists any package, what is installed is judged
        paths = getattr(gate, "paths", None)  # of a test suite, which reads more than its tests
        if paths is not None:
            return self._has_tests(paths)
        return any(gate.reads(path) and not gate.configures(path) for path in files)

    def _has_tests(self, tops: Collection[str]) -> bool:
        """Whether there are tests here, or on the protected branch: deleting them is no way out."""
        return any(
            (self._checkout.root / top).is_dir()
            or any(path.startswith(f"{top.rstrip('/')}/") for path in self._protection.paths)
            for top in tops
        )
