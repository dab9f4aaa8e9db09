"""The registry of gates: every built-in gate with its description for the rest of the program.

To add a gate, write its module and add its line to ``BUILT_IN``. The line names the gate's class
(``module:Class``), which is imported only when the gate is needed. The class is built without
arguments, or by its class method ``from_context``; a class method ``has_subject`` says whether the
gate applies. No other file names a built-in gate, except the built-in policy.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from importlib import import_module
from typing import TYPE_CHECKING, Any

from security.gates.interface import Gate, Kind
from security.gates.settings import ModelValidationSettings, PerformanceBounds, SuiteSettings

if TYPE_CHECKING:
    from security.gates.context import GateContext


class Topic(Enum):
    """The topic of a gate's findings; reports in other formats depend on it.

    QUALITY: code, data or measurements.
    SECURITY: weaknesses; code scanning services rank them by severity.
    VULNERABILITIES: known vulnerabilities of packages (in-toto predicate *vulns*).
    TESTS: failed tests (in-toto predicate *test-result*).
    """

    QUALITY = "quality"
    SECURITY = "security"
    VULNERABILITIES = "vulnerabilities"
    TESTS = "tests"


@dataclass(frozen=True, slots=True)
class GateDescription:
    """One built-in gate.

    Attributes:
        name: in policies, settings and reports, and on the command line.
        kind: the kind of its subjects.
        implementation: its class, as ``module:Class`` below ``security.gates``.
        topic: the topic of its findings.
        settings: type of its table in the settings; None if it has none.
        seconds: typical duration on a mid-sized project; longer gates start first.
        reads_model_files: whether it must have judged a model before the model is signed.
        measures: whether it judges every model of a run, also where the policy only advises it.
    """

    name: str
    kind: Kind
    implementation: str
    topic: Topic = Topic.QUALITY
    settings: type | None = None
    seconds: int = 0
    reads_model_files: bool = False
    measures: bool = False

    def build(self, context: GateContext) -> Gate:
        """Import the gate's class and build the gate."""
        found = self._load()
        gate: Gate = found.from_context(context) if hasattr(found, "from_context") else found()
        return gate

    def has_subject(self, context: GateContext, subject: str) -> bool | None:
        """Return whether the gate applies to a subject; None if its class does not say."""
        found = self._load()
        return found.has_subject(context, subject) if hasattr(found, "has_subject") else None

    def _load(self) -> Any:
        module, _, name = self.implementation.partition(":")
        return getattr(import_module(module), name)


def _register(*descriptions: GateDescription) -> dict[str, GateDescription]:
    return {one.name: one for one in descriptions}


_G = "security.gates"
_CODE = f"{_G}.code"
_MODEL = f"{_G}.model"
#: In the order of reports; a project's own gates come after them.
BUILT_IN = _register(
    GateDescription("format", Kind.SOURCE, f"{_CODE}.format:FormatGate", seconds=3),
    GateDescription("lint", Kind.SOURCE, f"{_CODE}.lint:LintGate", seconds=2),
    GateDescription("types", Kind.SOURCE, f"{_CODE}.type_check:TypeCheckGate", seconds=10),
    GateDescription(
        "code-security",
        Kind.SOURCE,
        f"{_CODE}.code_security:CodeSecurityGate",
        Topic.SECURITY,
        seconds=1,
    ),
    GateDescription("secrets", Kind.SOURCE, f"{_G}.secrets:SecretsGate", Topic.SECURITY),
    GateDescription("workflows", Kind.SOURCE, f"{_CODE}.workflows:WorkflowsGate", Topic.SECURITY),
    GateDescription(
        "dependencies",
        Kind.SOURCE,
        f"{_G}.dependencies.gate:DependenciesGate",
        Topic.VULNERABILITIES,
    ),
    GateDescription(
        "unit-tests",
        Kind.SOURCE,
        f"{_CODE}.test_suite:TestSuiteGate",
        Topic.TESTS,
        SuiteSettings,
        seconds=60,
    ),
    GateDescription(
        "integration-tests",
        Kind.SOURCE,
        f"{_CODE}.test_suite:TestSuiteGate",
        Topic.TESTS,
        SuiteSettings,
        seconds=300,
    ),
    GateDescription("data", Kind.DATA, f"{_G}.data.gate:DataGate", settings=dict),
    GateDescription(
        "model-file",
        Kind.MODEL,
        f"{_MODEL}.model_file:ModelFileGate",
        Topic.SECURITY,
        reads_model_files=True,
    ),
    GateDescription(
        "model-validation",
        Kind.MODEL,
        f"{_MODEL}.model_validation:ModelValidationGate",
        Topic.TESTS,
        ModelValidationSettings,
        seconds=30,
    ),
    GateDescription(
        "performance",
        Kind.MODEL,
        f"{_MODEL}.performance:PerformanceGate",
        settings=PerformanceBounds,
        measures=True,
    ),
)


def topic_of(name: str) -> Topic:
    """Return the topic of a gate; a project's own gates are about quality."""
    return BUILT_IN[name].topic if name in BUILT_IN else Topic.QUALITY


def seconds_of(name: str) -> int:
    """Return the typical duration of a gate; 0 for a project's own."""
    return BUILT_IN[name].seconds if name in BUILT_IN else 0


def model_readers() -> frozenset[str]:
    """Return the gates that must have judged a model before it is signed."""
    return frozenset(one.name for one in BUILT_IN.values() if one.reads_model_files)


def measuring_gates() -> frozenset[str]:
    """Return the gates that judge every model of a run, also where the policy only advises them."""
    return frozenset(one.name for one in BUILT_IN.values() if one.measures)
