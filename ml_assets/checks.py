"""The checks: what is measured on an asset, as Dagster asset checks.

The performance of a model depends on the machine, so that it cannot be a DVC out: it is measured
on the model's bytes as they are, and its report is kept as the check's metadata.
"""

import json
import os
import re
import shlex
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import dagster as dg

from ml_assets.project import Project
from ml_assets.settings import Performance
from ml_assets.translator import Asset
from resources.dvc.command import Cancellation, run_command
from resources.dvc.environment import build_environment, find_shell, stage_variables

_DEFAULT_SCRIPT = "scripts/performance_tests.py"


class Verdict(Enum):
    """What a check says; ``error`` means that it could not judge."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"


@dataclass(frozen=True)
class Measurement:
    """A verdict, why, and the numbers behind it."""

    verdict: Verdict
    reason: str
    metrics: dict[str, float] = field(default_factory=dict)


def build_checks(project: Project, assets: Sequence[Asset]) -> list[dg.AssetChecksDefinition]:
    """Build the checks of those assets that have any."""
    model = _find_model(project, assets)
    return [] if model is None else [_build_performance(project, model)]


def _find_model(project: Project, assets: Sequence[Asset]) -> Asset | None:
    """Return the one model that there is a performance test for."""
    settings = project.settings.performance
    if settings.model is not None:
        return next((asset for asset in assets if asset.location == settings.model), None)
    if settings.command == Performance.command and not (project.root / _DEFAULT_SCRIPT).is_file():
        return None
    models = [asset for asset in assets if "model" in asset.kinds]
    return models[0] if len(models) == 1 else None


def _build_performance(project: Project, model: Asset) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=dg.AssetKey(model.key),
        name="performance",
        description="Latency, throughput, memory and size of the model on this machine.",
    )
    def performance() -> dg.AssetCheckResult:
        measured = measure_performance(project, str(model.location))
        return dg.AssetCheckResult(
            passed=measured.verdict is Verdict.PASSED,
            severity=dg.AssetCheckSeverity.ERROR,
            description=measured.reason,
            metadata={"verdict": measured.verdict.value, **measured.metrics},
        )

    return performance


def measure_performance(project: Project, model: str) -> Measurement:
    """Run a project's performance test on a model.

    Args:
        model: the model's location, relative to the project's root.
    """
    settings = project.settings.performance
    with tempfile.TemporaryDirectory(dir=project.make_state()) as directory:
        report = Path(directory) / "performance.json"
        paths = {"{model}": shlex.quote(model), "{report}": shlex.quote(str(report))}
        command = re.sub(r"\{model\}|\{report\}", lambda name: paths[name[0]], settings.command)
        exit_code, tail = _run(project, command, settings.timeout)
        if exit_code is None:
            reason = f"could not judge: still running after {settings.timeout:.0f} s"
            return Measurement(Verdict.ERROR, reason)
        return read_report(report, exit_code, tail)


def _run(project: Project, command: str, timeout: float) -> tuple[int | None, str]:
    environment = build_environment(os.environ, server=True, allowed=project.settings.environment)
    variables = stage_variables(environment, str(project.root), "performance")
    lines: list[str] = []
    cancellation = Cancellation()
    timer = threading.Timer(timeout, cancellation.cancel)
    timer.start()
    try:
        usage = run_command(
            [*find_shell(variables), command],
            cwd=str(project.root),
            variables=variables,
            on_line=lines.append,
            cancellation=cancellation,
        )
    finally:
        timer.cancel()
    return None if cancellation.cancelled else usage.exit_code, "\n".join(lines[-5:])


def read_report(report: Path, exit_code: int, tail: str) -> Measurement:
    """Read what a performance test wrote; only a report and exit code that agree count.

    The report is ``{"verdict": "passed" | "failed", "metrics": {name: number}, "failures": []}``.

    Args:
        tail: the test's last lines, for the reason.
    """
    try:
        document: Any = json.loads(report.read_bytes())
        verdict = Verdict(document["verdict"])
        metrics = {str(name): float(value) for name, value in document["metrics"].items()}
        failures = [str(failure) for failure in document.get("failures", [])]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        detail = f"no readable report ({type(error).__name__}), exit code {exit_code}: {tail}"
        return Measurement(Verdict.ERROR, f"could not judge: {detail}")
    expected = {0: Verdict.PASSED, 1: Verdict.FAILED}.get(exit_code, Verdict.ERROR)
    if not metrics or verdict is not expected or (verdict is Verdict.PASSED and failures):
        said = f"report says {verdict.value}, exit code {exit_code}, {len(metrics)} metrics"
        return Measurement(Verdict.ERROR, f"could not judge: {said}", metrics)
    return Measurement(verdict, "; ".join(failures) or "within all thresholds", metrics)
