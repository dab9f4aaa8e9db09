"""The run of ``ml-assets run``: plan the graph, run the stale stages, end the run.

A run with nothing to do imports neither dagster nor dvc and starts no stage.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import date

from ml_assets.gating.admission import GateAdmission
from ml_assets.gating.evaluation import Gating
from ml_assets.gating.gate_run import find_unused
from ml_assets.graph.description import describe_assets
from ml_assets.graph.translator import Asset, group_by_stage
from ml_assets.orchestration.known_states import KnownStates
from ml_assets.orchestration.run_options import (
    build_options,
    build_reproduction,
    is_strict,
    open_admission,
)
from ml_assets.project.project import Project
from ml_assets.project.remotes import describe_ignored
from ml_assets.project.rules import Rules
from ml_assets.project.stage_variables import find_stage_variables
from ml_assets.proof.attestation import StageAttestation
from ml_assets.proof.sign_run import sign_run
from ml_assets.proof.store import Proofs
from ml_assets.reporting.console import ConsoleReporter, write_notice
from ml_assets.reporting.job_log import JobLog
from ml_assets.reporting.run_report import RunReport
from ml_assets.runs.selection import select_stages
from ml_assets.runs.signal_shield import call_shielded
from resources.dvc.reuse import Reuse
from resources.dvc.run.options import Options
from resources.dvc.run.plan import PlannedStage, build_plan
from resources.dvc.run.reproduction_thread import ReproductionThread
from resources.dvc.run.schedule import Finished
from resources.dvc.run.stage_result import Action, StageResult, leave
from resources.errors import OutChangedError, ResourceError, UnavailableError
from resources.git.source_tree import Listing, begin_listing
from security.policy.decision import CaseDecision
from security.policy.policy import MATERIALIZE
from security.policy.waiver import find_deadlines


@dataclass(frozen=True)
class RunOptions:
    """The options of a run.

    Attributes:
        log: the log of the CI job of the run.
        select: selections of stages; all of them without one.
        here: the user's directory, relative to the DVC root, for names in a selection.
        jobs: capacity; None takes the setting.
        pull: accept data that is only in DVC's cache or remote; None takes the setting.
        allow_missing: accept data that may be nowhere, and fetch nothing.
        wait: seconds to wait for another run; None takes the setting.
        environment: the policy environment to run for; None for ``materialize``.
        quiet: leave out the output of stages.
    """

    log: JobLog
    select: Sequence[str] = ()
    here: str = "."
    jobs: int | None = None
    keep_going: bool = False
    reuse: Reuse = Reuse()
    pull: bool | None = None
    allow_missing: bool = False
    wait: float | None = None
    environment: str | None = None
    quiet: bool = False


class GraphRun:
    """One run of a project's graph.

    Args:
        rules: the rules at the start of the run.

    Attributes:
        checkout: the working tree of the run.
    """

    def __init__(self, project: Project, rules: Rules, options: RunOptions) -> None:
        self._started = time.monotonic()
        self._project = project
        self._rules = rules
        self._options = options
        self._listing: Future[Listing] | None = begin_listing(project.root)
        for notice in describe_ignored(project.root, project.remotes):
            write_notice(notice)
        self.checkout = project.open_checkout(
            pull=options.pull, allow_missing=options.allow_missing
        )
        assets = describe_assets(project, self.checkout)
        selected = select_stages(options.select, self.checkout.manifest, assets, options.here)
        self._assets = [asset for asset in assets if asset.stage in selected]
        self._report = RunReport(project, self._assets)
        self._run_id = str(uuid.uuid4())
        self._proofs = Proofs(project, rules, write_notice)
        self._known = KnownStates(project)
        # Report an unknown environment before hours of training, not after them.
        self._report.deadlines = find_deadlines(rules.policy.waivers, date.today())
        rules.policy.environment(self._environment)

    @property
    def _environment(self) -> str:
        return self._options.environment or MATERIALIZE

    def execute(self) -> RunReport:
        """Run the stale stages and end the run."""
        steps = build_plan(self.checkout, {asset.stage for asset in self._assets})
        pending = self._find_pending(steps)
        versions = self._skip(steps, pending)
        unknown = {
            name for name, version in versions.items() if not self._known.knows(name, version)
        }
        chosen = [a for a in self._assets if a.stage in pending or a.name in unknown]
        self.checkout.store.save()
        if chosen:
            self._listing = None  # stages may write files that Git does not ignore
            self._materialize(chosen, versions)
        if self._report.exit_code == 0 or self._report.decisions:
            self._end(succeeded=self._report.exit_code == 0)
        self._report.close(time.monotonic() - self._started)
        return self._report

    def _find_pending(self, steps: Sequence[PlannedStage]) -> set[str]:
        """Return the stages that are not fresh and all stages downstream of them.

        The plan cannot know which bytes a stage will write; the run skips the stages that stay
        fresh.
        """
        pending: set[str] = set()
        for step in steps:
            behind = not pending.isdisjoint(step.stage.upstream)
            if self._options.reuse.force or behind or step.action is not Action.SKIP:
                pending.add(step.stage.name)
        return pending

    def _skip(self, steps: Sequence[PlannedStage], pending: Collection[str]) -> dict[str, str]:
        """Report every fresh stage, and return the states of its assets by their names."""
        by_stage = group_by_stage(self._assets)
        versions: dict[str, str] = {}
        for step in steps:
            if step.stage.name in pending:
                continue
            assets = by_stage[step.stage.name]
            result = leave(self.checkout, (a.location for a in assets if a.location is not None))
            self._report.results[step.stage.name] = result
            for asset in assets:
                known = result.identify(asset.location or "")
                versions[asset.name] = asset.state(known.md5 if known else asset.code_version)
        return versions

    def _materialize(self, chosen: Sequence[Asset], versions: Mapping[str, str]) -> None:
        stages = {asset.stage for asset in chosen}
        reporter = _Collector(self._report, len(stages), self._options)
        admission = open_admission(self._project, self.checkout, self._rules)
        options = self._build_options(stages, admission)
        reproduction = build_reproduction(self.checkout, stages, options, reporter)
        tags = self._project.run_tags
        # The first stages run while this process imports dagster, which takes seconds.
        with ReproductionThread(reproduction) as started:
            from ml_assets.runs.execution import execute_run

            execution = call_shielded(
                lambda: execute_run(self._project, chosen, started, reporter, tags, self._run_id),
                started.interrupt,
            )
        self.checkout.forget_locks()  # the run has written them since
        if reporter.was_interrupted or execution.cancelled:
            raise KeyboardInterrupt
        self._report.decisions = admission.decisions
        self._report.run_id = execution.run_id
        if not execution.succeeded and self._report.exit_code == 0:
            self._report.aborted = UnavailableError(
                "the Dagster run failed without an error from a stage",
                f"open run {execution.run_id} in the UI: ml-assets ui",
            )
        self._known.add(
            {**versions, **execution.recorded} if execution.succeeded else execution.recorded
        )

    def _end(self, *, succeeded: bool) -> None:
        """Sign the run; for a failed run only show the decisions made so far."""
        gating = Gating(
            self._project,
            self.checkout,
            self._rules,
            environment=self._environment,
            listing=self._listing,
        )
        named = self._options.environment is not None
        for text in (*gating.notices, *(gating.offers if named else ())):
            write_notice(text)
        if not succeeded:
            self._show(gating, self._report.decisions)
            return
        try:
            signed = sign_run(
                gating,
                self._proofs,
                [asset.location for asset in self._assets if asset.location],
                write_notice,
                admitted=self._report.decisions,
                whole=named,
                always=named,
                on_judged=lambda decisions: self._show(gating, decisions),
            )
        except OutChangedError as error:
            self._report.aborted = error
            return
        self._report.decisions, self._report.signed = signed.decisions, signed.models
        self._report.unused = find_unused(gating, signed.decisions, whole=named)

    def _show(self, gating: Gating, decisions: Sequence[CaseDecision]) -> None:
        """Record new decisions in Dagster, for its UI."""
        fresh = [
            one for one in decisions if not one.cached and gating.is_shown(one.decision.subject)
        ]
        if fresh:
            from ml_assets.runs.execution import record_checks

            call_shielded(
                lambda: record_checks(self._project, gating, fresh, self._assets), lambda: None
            )

    def _build_options(self, stages: Collection[str], admission: GateAdmission) -> Options:
        options = self._options
        settings = self._project.settings
        pulls = settings.pull if options.pull is None else options.pull
        if pulls and self.checkout.manifest.layout.remote and self._project.brokered is not None:
            self._project.brokered.prepare()
        environment = find_stage_variables(self._project, self._rules)
        return build_options(
            self._project,
            self._rules,
            list(stages),
            jobs=options.jobs or settings.capacity,
            environment=environment,
            admission=admission,
            attestation=StageAttestation(
                self._project,
                self.checkout,
                self._proofs,
                environment,
                self._run_id,
                strict=is_strict(self._rules, self._environment),
            ),
            keep_going=options.keep_going,
            wait=options.wait,
            reuse=options.reuse,
        )


class _Collector(ConsoleReporter):
    """A console reporter that also fills the report."""

    def __init__(self, report: RunReport, total: int, options: RunOptions) -> None:
        super().__init__(total, quiet=options.quiet, log=options.log)
        self.was_interrupted = False
        self._report = report

    def finished(self, finished: Finished[StageResult]) -> None:
        """Collect the result of a stage."""
        self._report.collect(finished)
        super().finished(finished)

    def aborted(self, error: ResourceError) -> None:
        """Collect the error that ended the run itself."""
        self._report.aborted = error

    def interrupted(self) -> None:
        """Remember the interruption: Dagster reports it as a failed run."""
        self.was_interrupted = True
