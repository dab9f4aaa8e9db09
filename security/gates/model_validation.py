"""The gate ``model-validation``: is the model good enough, and no worse than what is deployed.

1. The project's tests of its model have to pass (``test_run``).
2. Metrics of the working tree have to be within their bounds.
3. They may not be worse than those of the deployed model by more than a margin.

A metric that is not there, is no number or is not finite is neither within its bounds nor beyond
them: it could not be judged. Where nothing is deployed, nothing is compared.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from security.content.printable import printable
from security.finding import Finding, Severity
from security.gates.interface import GateError, Json, Kind, Place, Report, Task, Tool
from security.gates.tool.test_run import DOCUMENTATION, PytestRun, as_number, load_json, may_be_read

_HINT = "correct the settings of the gate model-validation"


@dataclass(frozen=True, slots=True)
class Bound:
    """What a metric has to be, both ends included; None sets no end."""

    least: float | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True)
class Margin:
    """By how much a metric may be worse than the deployed model's.

    Attributes:
        most: the difference that is allowed, in the metric's unit.
        better: which direction is better.
    """

    most: float
    better: Literal["higher", "lower"] = "higher"


@dataclass(slots=True)
class _Judgement:
    """What has been found so far."""

    findings: list[Finding] = field(default_factory=list)
    judged: int = 0
    doubts: list[str] = field(default_factory=list)
    facts: dict[str, str | int | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelValidationGate:
    """Judges a model by tests, by bounds of its metrics, and against the deployed one.

    Attributes:
        paths: of tests, relative to the project's root; empty runs none.
        arguments: further ones for pytest.
        metrics: a JSON file of the working tree, relative to the project's root.
        thresholds: bounds by metric; ``.`` goes a level down.
        deployed: the deployed model's metrics, named likewise; None if there is none.
        margins: by metric.
        ignores: patterns of source files that tests do not read; code is read in any case.
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

    def reads(self, path: str) -> bool:
        """Say whether tests may read a file: anything that is not documentation."""
        return path == self.metrics or may_be_read(path, self.ignores)

    def configures(self, path: str) -> bool:
        """Say no: the tests of a commit are judged with its own settings, which are digested."""
        return False

    def tool(self, task: Task) -> Tool:
        """Return pytest, the bounds, and digests of the metrics on both sides.

        Raises:
            GateError: pytest is not there, or there is nothing to judge by.
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
            GateError: nothing could be judged.
        """
        self._check()
        so_far = _Judgement()
        if self.paths:
            self._run_tests(task, so_far)
        if self.metrics is not None:
            self._compare(task, so_far)
        if not so_far.judged and not so_far.findings:
            raise GateError("; ".join(so_far.doubts) or "nothing was judged", _HINT)
        unjudged = "; ".join(so_far.doubts) or None
        return Report(tuple(so_far.findings), so_far.judged, unjudged, so_far.facts)

    @property
    def _tests(self) -> PytestRun:
        return PytestRun(self.paths, arguments=self.arguments)

    def _check(self) -> None:
        """Refuse settings that judge nothing."""
        if not self.paths and not self.thresholds and not self.margins:
            raise GateError("neither tests nor thresholds for the model", _HINT)
        if (self.thresholds or self.margins) and self.metrics is None:
            raise GateError("thresholds for the model, but no file of metrics", _HINT)
        for name, bound in self.thresholds.items():
            ends = [end for end in (bound.least, bound.most) if end is not None]
            if not ends or not all(math.isfinite(end) for end in ends) or ends != sorted(ends):
                raise GateError(f"threshold that bounds nothing: {printable(name)}", _HINT)
        for name, margin in self.margins.items():
            if not math.isfinite(margin.most) or margin.most < 0:
                raise GateError(f"margin that bounds nothing: {printable(name)}", _HINT)

    def _digest(self, task: Task) -> str | None:
        try:
            content = (task.directory / self.metrics).read_bytes() if self.metrics else b""
        except OSError:
            return None
        return hashlib.sha256(content).hexdigest()

    def _run_tests(self, task: Task, so_far: _Judgement) -> None:
        """Step 1: metrics are judged also where the tests could not be."""
        try:
            report = self._tests.judge(task)
        except GateError as error:
            so_far.doubts.append(error.message)
            return
        so_far.findings += report.findings
        so_far.judged += report.judged
        so_far.doubts += [report.unjudged] if report.unjudged else []
        so_far.facts |= report.facts

    def _compare(self, task: Task, so_far: _Judgement) -> None:
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

    def _judge_margin(self, name: str, value: float, so_far: _Judgement) -> None:
        if self.deployed is None:
            so_far.facts["deployed"] = "none"
            return
        before, margin = as_number(self.deployed.get(name)), self.margins[name]
        if before is None:
            so_far.doubts.append(f"the deployed model has no such metric: {printable(name)}")
            return
        so_far.judged += 1
        so_far.facts[f"difference.{name}"] = value - before
        worse = before - value if margin.better == "higher" else value - before
        if worse > margin.most and not math.isclose(worse, margin.most, abs_tol=1e-12):
            said = f"is {value:g}, worse than {before:g} by more than {margin.most:g}"
            so_far.findings.append(self._finding("regression", name, said))

    def _finding(self, kind: str, name: str, said: str) -> Finding:
        shown = printable(name)
        return Finding(f"{kind}:{shown}", f"{shown} {said}", Severity.HIGH, path=self.metrics or "")


def _find(document: Any, name: str) -> object:
    """Return a value by its dotted name; a name that holds dots itself comes first."""
    if not isinstance(document, dict):
        return None
    if name in document:
        return document[name]
    first, _, rest = name.partition(".")
    return _find(document.get(first), rest) if rest else None
