"""The gate ``model-validation``: model tests, bounds of metrics, and no regression.

1. The project's model tests must pass (``tool/test_run``).
2. The metrics of the working tree must be within their bounds.
3. No metric may be worse than that of the deployed model by more than its margin.

A metric that is missing or is not a finite number is an error. If no model is deployed, step 3 does
not apply.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from security.content.printable import printable
from security.finding import Finding, Severity
from security.gates.context import GateContext
from security.gates.interface import GateError, Json, Kind, Place, Report, Task, Tool
from security.gates.settings import Bound, Margin, ModelValidationSettings
from security.gates.tool.test_run import DOCUMENTATION, PytestRun, as_number, load_json, may_be_read

_HINT = "correct the settings of the gate model-validation"


@dataclass(slots=True)
class _Progress:
    """The report while the steps run."""

    findings: list[Finding] = field(default_factory=list)
    judged: int = 0
    doubts: list[str] = field(default_factory=list)
    facts: dict[str, str | int | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelValidationGate:
    """Check a model with tests, with bounds of its metrics, and against the deployed model.

    Attributes:
        paths: of tests, relative to the project's root; empty skips step 1.
        arguments: more arguments for pytest.
        metrics: path of a JSON file in the working tree, relative to the project's root.
        thresholds: bounds by metric; ``.`` in a name descends a level.
        deployed: metrics of the deployed model, with the same names; None if none is deployed.
        margins: by metric.
        ignores: patterns of source files that tests do not read; code is always read.
    """

    paths: tuple[str, ...] = ("tests/model_tests",)
    arguments: tuple[str, ...] = ()
    metrics: str | None = None
    thresholds: Mapping[str, Bound] = field(default_factory=dict)
    deployed: Mapping[str, float] | None = None
    margins: Mapping[str, Margin] = field(default_factory=dict)
    ignores: tuple[str, ...] = DOCUMENTATION
    name: str = field(default="model-validation", init=False)
    kind: Kind = field(default=Kind.MODEL, init=False)
    place: Place = field(default=Place.CHECKOUT, init=False)

    @classmethod
    def from_context(cls, context: GateContext) -> ModelValidationGate:
        """Build the gate from its settings, and from the deployed metrics if there are margins."""
        own = context.settings(ModelValidationSettings)
        compared = own.metrics is not None and own.margins
        return cls(
            paths=tuple(filter(context.project.has_directory, own.paths)),
            arguments=own.arguments,
            metrics=own.metrics,
            thresholds=own.thresholds,
            deployed=context.project.deployed_metrics(own.metrics or "") if compared else None,
            margins=own.margins,
        )

    @classmethod
    def has_subject(cls, context: GateContext, subject: str) -> bool:
        """Return whether a subject is a declared model that has tests or metrics."""
        own = context.settings(ModelValidationSettings)
        has_tests = any(map(context.project.has_directory, own.paths))
        return subject in context.project.named_models and (has_tests or own.metrics is not None)

    def reads(self, path: str) -> bool:
        """Say whether the gate reads a file: the metrics, and any file but documentation."""
        return path == self.metrics or may_be_read(path, self.ignores)

    def configures(self, path: str) -> bool:
        """Return False: tests run with the settings of their commit, which are in the result."""
        return False

    def tool(self, task: Task) -> Tool:
        """Return pytest, the bounds, the digest of the metrics and those of the deployed model.

        Raises:
            GateError: pytest is missing, or the settings check nothing.
        """
        self._check()
        tests = self._tests.tool(task) if self.paths else Tool("metrics", "1")
        options: dict[str, Json] = {
            **tests.configuration,
            "metrics": self.metrics,
            "metrics_sha256": self._digest(task),
            "thresholds": {name: asdict(bound) for name, bound in self.thresholds.items()},
            "margins": {name: asdict(margin) for name, margin in self.margins.items()},
            "deployed": None if self.deployed is None else dict(self.deployed),
        }
        return Tool(tests.name, tests.version, options)

    def judge(self, task: Task) -> Report:
        """Run the tests and compare the metrics.

        Raises:
            GateError: nothing could be checked.
        """
        self._check()
        so_far = _Progress()
        if self.paths:
            self._run_tests(task, so_far)
        if self.metrics is not None:
            self._compare(task, so_far)
        if not so_far.judged and not so_far.findings:
            raise GateError("; ".join(so_far.doubts) or "nothing was checked", _HINT)
        unjudged = "; ".join(so_far.doubts) or None
        return Report(tuple(so_far.findings), so_far.judged, unjudged, so_far.facts)

    @property
    def _tests(self) -> PytestRun:
        return PytestRun(self.paths, arguments=self.arguments)

    def _check(self) -> None:
        """Refuse settings that check nothing."""
        if not self.paths and not self.thresholds and not self.margins:
            raise GateError("no tests and no thresholds for the model", _HINT)
        if (self.thresholds or self.margins) and self.metrics is None:
            raise GateError("thresholds without a metrics file", _HINT)
        for name, bound in self.thresholds.items():
            ends = [end for end in (bound.least, bound.most) if end is not None]
            if not ends or not all(math.isfinite(end) for end in ends) or ends != sorted(ends):
                raise GateError(f"invalid threshold: {printable(name)}", _HINT)
        for name, margin in self.margins.items():
            if not math.isfinite(margin.most) or margin.most < 0:
                raise GateError(f"invalid margin: {printable(name)}", _HINT)

    def _digest(self, task: Task) -> str | None:
        try:
            content = (task.directory / self.metrics).read_bytes() if self.metrics else b""
        except OSError:
            return None
        return hashlib.sha256(content).hexdigest()

    def _run_tests(self, task: Task, so_far: _Progress) -> None:
        """Run step 1; its error does not stop the other steps."""
        try:
            report = self._tests.judge(task)
        except GateError as error:
            so_far.doubts.append(error.message)
            return
        so_far.findings += report.findings
        so_far.judged += report.judged
        so_far.doubts += [report.unjudged] if report.unjudged else []
        so_far.facts |= report.facts

    def _compare(self, task: Task, so_far: _Progress) -> None:
        """Compare metrics with bounds (step 2) and with the deployed model's (step 3)."""
        try:
            document = load_json(task.directory / str(self.metrics), follow=True)
        except GateError as error:
            so_far.doubts.append(f"metrics: {error.message}")
            return
        for name in sorted({*self.thresholds, *self.margins}):
            value = as_number(_find(document, name))
            if value is None:
                so_far.doubts.append(f"no finite number in {self.metrics}: {printable(name)}")
                continue
            so_far.facts[f"metric.{name}"] = value
            if name in self.thresholds:
                so_far.judged += 1
                so_far.findings += self._judge_bound(name, value)
            if name in self.margins:
                self._judge_margin(name, value, so_far)

    def _judge_bound(self, name: str, value: float) -> Iterator[Finding]:
        bound = self.thresholds[name]
        if bound.least is not None and value < bound.least:
            yield self._finding("metric", name, f"is {value:g}, less than {bound.least:g}")
        if bound.most is not None and value > bound.most:
            yield self._finding("metric", name, f"is {value:g}, more than {bound.most:g}")

    def _judge_margin(self, name: str, value: float, so_far: _Progress) -> None:
        if self.deployed is None:
            so_far.facts["deployed"] = "none"
            return
        before, margin = as_number(self.deployed.get(name)), self.margins[name]
        if before is None:
            so_far.doubts.append(f"metric missing in the deployed model: {printable(name)}")
            return
        so_far.judged += 1
        so_far.facts[f"difference.{name}"] = value - before
        worse = before - value if margin.better == "higher" else value - before
        if worse > margin.most and not math.isclose(worse, margin.most, abs_tol=1e-12):
            what = f"is {value:g}, worse than {before:g} by more than {margin.most:g}"
            so_far.findings.append(self._finding("regression", name, what))

    def _finding(self, kind: str, name: str, what: str) -> Finding:
        shown = printable(name)
        return Finding(f"{kind}:{shown}", f"{shown} {what}", Severity.HIGH, path=self.metrics or "")


def _find(document: Any, name: str) -> object:
    """Return a value by its dotted name; a key that itself holds dots comes first."""
    if not isinstance(document, dict):
        return None
    if name in document:
        return document[name]
    first, _, rest = name.partition(".")
    return _find(document.get(first), rest) if rest else None
