"""The catalog of gates: the gates of a project, and the cases of each."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from typing import TypeAlias

from ml_assets.gating.candidate_files import CandidateFiles
from ml_assets.gating.project_facts import CheckoutFacts
from ml_assets.gating.runner import SOURCE, Case
from ml_assets.project.model_outs import find_models, find_named_data
from ml_assets.project.rules import Rules
from ml_assets.project.settings.gates import CommandSettings
from resources.dvc.cache.content import Content
from resources.dvc.checkout.checkout import Checkout
from resources.errors import ConfigurationError
from security.content.model_name import is_model_name
from security.gates.context import GateContext
from security.gates.interface import Gate, Kind, Place, Selective
from security.gates.registry import BUILT_IN, model_readers
from security.policy.policy import Environment

#: Files of one directory with a case of their own.
_MOST_FILES = 50

Wants: TypeAlias = Callable[[str], bool]


class GateCatalog:
    """The gates of one checkout: built-in ones and the project's own commands.

    Each gate is built, and its module imported, when it is first needed.

    Args:
        rules: source of the settings.
        environment: of the policy; a gate that it turns off has no cases.
        written: contents of the outs that this run has written, by location.
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
        self._environment = environment
        self._facts = CheckoutFacts(checkout, rules, written)
        self._gates: dict[str, Gate] = {}
        self._candidates = CandidateFiles(checkout)
        self._guard = threading.Lock()

    @cached_property
    def kinds(self) -> dict[str, Kind]:
        """The kind of subject of each gate, by name.

        Raises:
            ConfigurationError: a command of the project has the name of a built-in gate.
        """
        own = {name: Kind(one.judges) for name, one in self._settings.commands.items()}
        taken = sorted(own.keys() & BUILT_IN.keys())
        if taken:
            raise ConfigurationError(
                f"a gate of this name is built in: {', '.join(taken)}",
                "give the command another name, or turn the built-in gate off in the policy",
            )
        return {**{name: one.kind for name, one in BUILT_IN.items()}, **own}

    def gate(self, name: str) -> Gate:
        """Return a gate by its name."""
        with self._guard:
            if name not in self._gates:
                self._gates[name] = self._build(name)
            return self._gates[name]

    def _build(self, name: str) -> Gate:
        command = self._settings.commands.get(name)
        if command is not None:
            return _command_gate(name, command, self._settings.timeout)
        return BUILT_IN[name].build(self._context(name))

    def _context(self, name: str) -> GateContext:
        declared = BUILT_IN[name].settings is not None
        table = getattr(self._settings, name.replace("-", "_")) if declared else None
        return GateContext(name, table, self._environment.rule(name).online, self._facts)

    def source_cases(self, files: Collection[str], wants: Wants) -> list[Case]:
        """Return the cases of the source tree.

        Args:
            files: paths of the source tree.
            wants: selects gates by name.
        """
        names = [name for name, kind in self.kinds.items() if kind is Kind.SOURCE and wants(name)]
        return [Case(self.gate(name), SOURCE) for name in names if self._has_files(name, files)]

    def out_cases(self, location: str, wants: Wants) -> list[Case]:
        """Return the cases of an out; none if it neither exists nor is in the cache."""
        there = os.path.lexists(self._checkout.path(location))
        if not there and self._checkout.identify(location) is None:
            return []
        cases = self.declared_cases(location, wants)
        if location in self.models:
            return cases
        return [*cases, *self.content_cases(location, wants)]

    def content_cases(self, location: str, wants: Wants) -> list[Case]:
        """Return the cases of an out that is not named a model, if code might be made of it."""
        readers = self._readers(wants)
        found = self._candidates.find(location) if readers and "://" not in location else ()
        return [Case(gate, location) for gate in readers if found]

    def _readers(self, wants: Wants) -> list[Gate]:
        """Return the gates that judge any file that a loader might make code of."""
        return [self.gate(name) for name in sorted(model_readers()) if wants(name)]

    def declared_cases(self, location: str, wants: Wants) -> list[Case]:
        """Return the cases of an out, which need not exist."""
        kind = Kind.MODEL if location in self.models else Kind.DATA
        return self._cases(kind, location, wants)

    def consumed_cases(self, location: str, wants: Wants) -> list[Case]:
        """Return the cases of a file or directory that no stage writes.

        Each file with the name of a model is a case of its own, and so is any other file that a
        loader might make code of, unless there are many: then the directory is one case.

        Args:
            location: the dependency of a stage.
        """
        content = self._checkout.read(location) if "://" not in location else None
        if content is None:
            return []
        readers = self._readers(wants)
        found = self._candidates.find(location) if readers else ()
        names = [f"{location}/{path}" if path else location for path in found]
        if len(names) > _MOST_FILES:
            names = [location]
        cases = [Case(gate, name) for name in names for gate in readers]
        files = [f"{location}/{entry.path}" for entry in content.entries or ()] or [location]
        models = [name for name in files if is_model_name(name)]
        others = [case for name in models for case in self._cases(Kind.MODEL, name, wants)]
        return list({case.key: case for case in (*cases, *others)}.values())

    def _cases(self, kind: Kind, location: str, wants: Wants) -> list[Case]:
        return [
            Case(self.gate(name), location)
            for name, judged in self.kinds.items()
            if judged is kind and wants(name) and self._has_subject(name, location) is not False
        ]

    def _has_subject(self, name: str, subject: str) -> bool | None:
        """Return whether a gate applies to a subject; None if it depends on the files it reads."""
        description = BUILT_IN.get(name)
        return description.has_subject(self._context(name), subject) if description else None

    def _has_files(self, name: str, files: Collection[str]) -> bool:
        """Return whether a gate has anything to judge in the source tree."""
        known = self._has_subject(name, SOURCE)
        if known is not None:
            return known
        gate = self.gate(name)
        if isinstance(gate, Selective):
            return gate.applies(files)
        return any(gate.reads(path) and not gate.configures(path) for path in files)

    @cached_property
    def models(self) -> frozenset[str]:
        """Locations of the outs that are models."""
        return self._facts.named_models | frozenset(find_models(self._checkout.manifest))

    @cached_property
    def named_data(self) -> frozenset[str]:
        """Locations of the outs that the project declares as data."""
        return frozenset(find_named_data(self._checkout.manifest, self._settings.data))


def _command_gate(name: str, settings: CommandSettings, timeout: float) -> Gate:
    """Build a gate from a command of the project."""
    from security.gates.command import CommandGate, Output

    kind = Kind(settings.judges)
    return CommandGate(
        name=name,
        kind=kind,
        command=settings.command,
        reads_patterns=settings.reads,
        output=Output(settings.output),
        place=Place.COPY if kind is Kind.SOURCE else Place.CHECKOUT,
        timeout=timeout,
    )
