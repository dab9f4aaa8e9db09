"""A graph's run: what there is to do is done, judged, recorded and proven.

A run with nothing to do neither imports dagster or dvc nor starts a process.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from ml_assets.gating.admission import GateAdmission
from ml_assets.gating.evaluation import MATERIALIZE, Gating
from ml_assets.gating.gate_run import find_unused, run_gates
from ml_assets.graph.description import describe_assets
from ml_assets.graph.translator import Asset, group_by_stage
from ml_assets.orchestration.known_states import Record
from ml_assets.orchestration.run_options import (
    build_options,
    build_reproduction,
    is_strict,
    open_admission,
)
from ml_assets.project.project import Project
from ml_assets.project.rules import find_rules
from ml_assets.proof.attestation import StageAttestation
from ml_assets.proof.run_judgement import join_judged, judge_run, prove_run
from ml_assets.proof.store import Proofs
from ml_assets.reporting.console import ConsoleReporter, write_notice
from ml_assets.reporting.job_log import JobLog
from ml_assets.reporting.run_report import Report
from ml_assets.runs.selection import select_stages
from resources.dvc.cache.content import Content
from resources.dvc.run.plan import PlannedStage, build_plan
from resources.dvc.run.reproduction import Options
from resources.dvc.run.reproduction_thread import ReproductionThread
from resources.dvc.run.schedule import Finished
from resources.dvc.run.stage_environment import build_environment
from resources.dvc.run.stage_result import Action, StageResult, leave
from resources.errors import ResourceError, UnavailableError
from resources.git.source_tree import Listing, begin_listing


@dataclass(frozen=True)
class Wishes:
    """What somebody wants of a run.

    Attributes:
        select: a selection; None: everything.
        jobs: capacity; None takes the settings'.
        pull: data may be elsewhere; None takes what the settings say.
        wait: seconds to wait for another run; None takes the settings'.
        environment: whose gates are asked beside those of stages; None: nobody's.
        quiet: leave out the stages' own output.
        log: of the job that this is, if it is one.
    """

    log: JobLog
    select: str | None = None
    jobs: int | None = None
    keep_going: bool = False
    force: bool = False
    pull: bool | None = None
    wait: float | None = None
    environment: str | None = None
    quiet: bool = False


class GraphRun:
    """One run.

    Attributes:
        checkout: that it runs in.
    """

    def __init__(self, project: Project, wishes: Wishes) -> None:
        self._started = time.monotonic()
        self._project = project
        self._wishes = wishes
        self._listing: Future[Listing] | None = begin_listing(project.root)
        self.checkout = project.open_checkout(pull=wishes.pull)
        assets = describe_assets(project, self.checkout)
        selected = select_stages(wishes.select, self.checkout.manifest, assets)
        self._assets = [asset for asset in assets if asset.stage in selected]
        self._report = Report(project, self._assets)
        self._run_id = str(uuid.uuid4())
        self._proofs = Proofs(project, write_notice)
        self._record = Record(project)
        if wishes.environment:
            # Before hours of training, and not after them.
            find_rules(project.root).policy.environment(wishes.environment)

    def execute(self) -> Report:
        """Do what there is to do."""
        steps = build_plan(self.checkout, {asset.stage for asset in self._assets})
        pending = self._find_pending(steps)
        versions = self._skip(steps, pending)
        unknown = {
            name for name, version in versions.items() if not self._record.knows(name, version)
        }
        chosen = [a for a in self._assets if a.stage in pending or a.name in unknown]
        self.checkout.store.save()
        if chosen:
            self._listing = None  # stages may write what Git does not ignore
            self._materialize(chosen, versions)
        if self._report.exit_code == 0 or self._report.decisions:
            self._judge(self._report.exit_code == 0)
        self._report.close(time.monotonic() - self._started)
        return self._report

    def _find_pending(self, steps: Sequence[PlannedStage]) -> set[str]:
        """Return what has to be judged again when its turn comes: what is not fresh, and all below.

        The plan cannot know what bytes a stage will write; the run itself skips what stays fresh.
        """
        pending: set[str] = set()
        for step in steps:
            behind = not pending.isdisjoint(step.stage.upstream)
            if self._wishes.force or behind or step.action is not Action.SKIP:
                pending.add(step.stage.name)
        return pending

    def _skip(self, steps: Sequence[PlannedStage], pending: Collection[str]) -> dict[str, str]:
        """Note every fresh stage, and return the data versions of its assets by their names."""
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
        reporter = _Collector(self._report, len(stages), self._wishes)
        admission = open_admission(self._project, self.checkout)
        options = self._options(stages, admission)
        reproduction = build_reproduction(self.checkout, stages, options, reporter)
        tags = self._project.run_tags
        # The first stages run while this process spends its seconds on importing dagster.
        with ReproductionThread(reproduction) as started:
            from ml_assets.runs.execution import execute_run

            execution = execute_run(self._project, chosen, started, reporter, tags, self._run_id)
        self.checkout.forget_locks()  # the run has written them since
        if reporter.was_interrupted or execution.cancelled:
            raise KeyboardInterrupt
        self._report.decisions = admission.decisions
        self._report.run_id = execution.run_id
        if not execution.succeeded and self._report.exit_code == 0:
            self._report.aborted = UnavailableError(
                "the Dagster run failed, and none of its stages says why",
                f"look at run {execution.run_id} in the UI: ml-assets ui",
            )
        self._record.add(
            {**versions, **execution.recorded} if execution.succeeded else execution.recorded
        )

    def _judge(self, succeeded: bool) -> None:
        """Judge what the run answers for, and what the environment asks for that was named.

        Args:
            succeeded: otherwise what was judged so far is only shown to Dagster.
        """
        name = self._wishes.environment
        gating = Gating(
            self._project,
            self.checkout,
            environment=name or MATERIALIZE,
            listing=self._listing,
        )
        for text in gating.notices:
            write_notice(text)
        if not succeeded:
            judged = []
        elif name:
            judged = run_gates(gating, (), self._project.settings.capacity)
            self._report.unused = find_unused(gating, judged, whole=True)
        else:
            locations = [asset.location for asset in self._assets if asset.location]
            judged = judge_run(gating, locations, self._project.settings.capacity)
        self._report.decisions = join_judged(self._report.decisions, judged)
        self.checkout.store.save()
        fresh = [
            one
            for one in self._report.decisions
            if not one.cached and gating.is_shown(one.decision.subject)
        ]
        new = self._proofs.is_open or not all(one.cached for one in judged)
        if succeeded and (new or name):
            self._prove(gating)
        if fresh:
            from ml_assets.runs.execution import record_checks

            record_checks(self._project, gating, fresh, self._assets)

    def _prove(self, gating: Gating) -> None:
        """Sign what the run comes to, of the outs whose making is attested."""
        outs: dict[str, Content] = {}
        for result in self._report.results.values():
            outs |= result.contents
            # What was not here when its stage was found fresh, and was supplied for a gate.
            supplied = {location: self.checkout.read(location) for location in result.recorded}
            outs |= {location: content for location, content in supplied.items() if content}
        self._report.signed = prove_run(
            gating, self._proofs, self._report.decisions, outs, write_notice
        )

    def _options(self, stages: Collection[str], admission: GateAdmission) -> Options:
        wishes = self._wishes
        settings = self._project.settings
        environment = build_environment(os.environ, allowed=settings.environment)
        return build_options(
            self._project,
            list(stages),
            jobs=wishes.jobs or settings.capacity,
            environment=environment,
            admission=admission,
            attestation=StageAttestation(
                self._project,
                self.checkout,
                self._proofs,
                environment,
                self._run_id,
                strict=is_strict(self._project, wishes.environment or MATERIALIZE),
            ),
            keep_going=wishes.keep_going,
            wait=wishes.wait,
            force=wishes.force,
        )


class _Collector(ConsoleReporter):
    """A console reporter that also fills the report."""

    def __init__(self, report: Report, total: int, wishes: Wishes) -> None:
        super().__init__(total, quiet=wishes.quiet, log=wishes.log)
        self.was_interrupted = False
        self._report = report

    def finished(self, finished: Finished[StageResult]) -> None:
        """Take the end of a stage."""
        self._report.collect(finished)
        super().finished(finished)

    def aborted(self, error: ResourceError) -> None:
        """Take what ended the run itself."""
        self._report.aborted = error

    def interrupted(self) -> None:
        """Remember it: Dagster takes the interruption for a failure of the run."""
        self.was_interrupted = True
