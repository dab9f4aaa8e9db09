"""The run report: the status of each asset of a run, as text and JSON."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from ml_assets.graph.translator import Asset
from ml_assets.project.project import Project
from ml_assets.reporting.console import write_table
from ml_assets.reporting.gate_report import (
    gate_documents,
    waiver_documents,
    write_deadlines,
    write_verdicts,
)
from resources.dvc.cache.content import Content, KnownContent
from resources.dvc.run.schedule import Finished
from resources.dvc.run.stage_result import Action, StageResult
from resources.errors import ResourceError, UnavailableError
from security.policy.decision import CaseDecision
from security.policy.waiver import Deadlines, Waiver


@dataclass
class RunReport:
    """The status of each selected asset.

    Attributes:
        decisions: decisions on the cases of the run.
        unused: waivers that waived nothing.
        deadlines: waivers that have expired or expire soon.
        signed: signed models.
        errors: errors of failed stages, by stage.
        aborted: the error that ended the run, apart from its stages.
        blocked: failed stages, by the stage that each blocked.
    """

    project: Project
    assets: Sequence[Asset]
    results: dict[str, StageResult] = field(default_factory=dict)
    errors: dict[str, BaseException] = field(default_factory=dict)
    aborted: ResourceError | None = None
    blocked: dict[str, str] = field(default_factory=dict)
    decisions: Sequence[CaseDecision] = ()
    unused: Sequence[Waiver] = ()
    deadlines: Deadlines = Deadlines()
    signed: Sequence[str] = ()
    run_id: str | None = None
    seconds: float = 0.0

    def collect(self, finished: Finished[StageResult]) -> None:
        """Record the end of a stage."""
        if finished.result is not None:
            self.results[finished.name] = finished.result
        if finished.error is not None:
            self.errors[finished.name] = finished.error
        if finished.blocked_by is not None:
            self.blocked[finished.name] = finished.blocked_by

    def close(self, seconds: float) -> None:
        """Record the end of the run; a stage without a result is an error."""
        self.seconds = seconds
        unheard = sorted(self._unstarted())
        if unheard and not self._problems():
            self.aborted = UnavailableError(
                f"no result of: {', '.join(unheard)}", "run again: ml-assets run"
            )

    @property
    def exit_code(self) -> int:
        """The exit code: a failure outranks an error."""
        codes = {error.exit_code for error in self._problems()}
        codes |= {one.decision.verdict.exit_code for one in self.decisions if one.decision.blocks}
        return next((code for code in (1, 2, 3) if code in codes), 0)

    def _problems(self) -> list[ResourceError]:
        """Return all errors, first the one that ended the run."""
        return [
            *([self.aborted] if self.aborted is not None else []),
            *(_as_resource_error(error) for error in self.errors.values()),
        ]

    @property
    def status(self) -> str:
        """``passed``, ``failed`` or ``error``."""
        return {0: "passed", 1: "failed"}.get(self.exit_code, "error")

    def document(self) -> dict[str, object]:
        """Return the report as JSON; its shape is a contract."""
        document: dict[str, object] = {
            "run_id": self.run_id,
            "commit": self.project.head.commit,
            "status": self.status,
            "assets": [self._asset(asset) for asset in self.assets],
            "gates": gate_documents(self.decisions),
            "deployment": None,
            "seconds": round(self.seconds, 3),
            **waiver_documents(self.deadlines),
        }
        for problem in self._problems()[:1]:
            body = {"kind": problem.kind, "message": problem.message, "hint": problem.hint}
            document["error"] = body
        return document

    def _asset(self, asset: Asset) -> dict[str, object]:
        result = self.results.get(asset.stage)
        known = result.identify(asset.location or "") if result else None
        usage = result.usage if result else None
        return {
            "key": asset.name,
            "stage": asset.stage,
            "action": result.action.value if result else Action.RUN.value,
            "status": self._status_of(asset.stage),
            "digest": _digest(known),
            "reproduced": self._reproduced(asset),
            "seconds": round(usage.seconds, 3) if usage else 0.0,
        }

    def _reproduced(self, asset: Asset) -> bool | None:
        """Return whether a run reproduced the recorded bytes; None without a record."""
        result = self.results.get(asset.stage)
        if result is None or result.comparison is None:
            return None
        return asset.location not in result.comparison.differing

    def _unreproduced(self) -> list[str]:
        """Return outs that differ from their record although no input of their stage does.

        The stage is not deterministic, or another machine recorded them. An out whose inputs
        changed on purpose is not listed.
        """
        named: list[str] = []
        for asset in self.assets:
            result = self.results.get(asset.stage)
            comparison = result.comparison if result is not None else None
            if comparison is None or asset.location not in comparison.differing:
                continue
            if all(dep in named for dep in comparison.changed_deps):
                named.append(str(asset.location))
        return named

    def _status_of(self, stage: str) -> str:
        if stage in self.results:
            return "passed"
        if stage in self.errors:
            judged = _as_resource_error(self.errors[stage]).exit_code == 1
            return "failed" if judged else "error"
        return "not run"

    def write(self) -> None:
        """Write a summary for people."""
        counts = {action: 0 for action in Action}
        for result in self.results.values():
            counts[result.action] += 1
        for problem in self._problems():
            sys.stderr.write(f"error: {problem.message}\nhint: {problem.hint}\n")
        rows = [
            (self.results[asset.stage].action.value, asset.name, content.md5, content.sha256)
            for asset in self.assets
            if asset.stage in self.results and self.results[asset.stage].action is not Action.SKIP
            for content in [self.results[asset.stage].contents.get(asset.location or "")]
            if content is not None
        ]
        if rows and len(rows) <= 40:
            write_table(rows, ("did", "asset", "md5", "sha256"), sys.stdout)
        for location in self._unreproduced():
            print(f"not reproduced, differs from dvc.lock: {location}")
        for stage, result in self.results.items():
            for text in result.observed.describe_changed() if result.observed is not None else ():
                print(f"changed while {stage} ran, so it is not fresh: {text}")
        write_verdicts(self.decisions)
        write_deadlines(self.deadlines, sys.stdout)
        for location in self.signed:
            print(f"signed: {location}; verify it: ml-assets verify {location}")
        print(
            f"{self.status}: {counts[Action.RUN]} ran, {counts[Action.RESTORE]} restored, "
            f"{counts[Action.SKIP]} fresh, {len(self.errors)} failed, "
            f"{len(self._unstarted())} not run, in {self.seconds:.1f} s"
        )

    def _unstarted(self) -> set[str]:
        stages = {asset.stage for asset in self.assets}
        return stages - set(self.results) - set(self.errors)


def _as_resource_error(error: BaseException) -> ResourceError:
    if isinstance(error, ResourceError):
        return error
    text = f"unexpected: {type(error).__name__}: {error}"
    return UnavailableError(text, "run again with --debug, and report the traceback")


def _digest(known: KnownContent | None) -> dict[str, str | None] | None:
    if known is None:
        return None
    return {"sha256": known.sha256 if isinstance(known, Content) else None, "md5": known.md5}
