"""A branch's run: everything that Dagster is asked for on a branch happens at one commit.

1. The commit: the run's own, if it names one; the branch's head for a run of the whole branch; else
   the last commit of the branch that passed.
2. Who wants it: a commit that a sensor has asked for is run by one run, whatever daemons there are.
3. The checkout: a worktree of its own, with the lock files that earlier runs have written.
4. The stages run; each leaves its records in Dagster under the versions of this very commit.
5. The gates of the environment that the branch maps to judge; what that comes to is signed.
6. The outs go to the DVC remote, then the lock files to where whoever reads them finds the outs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import dagster as dg

from ml_assets.branches.branch_events import BranchRecord
from ml_assets.branches.commit_trust import find_objection
from ml_assets.branches.graph_at_commit import Graph, load_graph
from ml_assets.branches.lock_files import find_locks, write_kept
from ml_assets.branches.passed_commit import mark_verified, read_verified
from ml_assets.branches.run_claim import claim
from ml_assets.branches.watch import Watch
from ml_assets.branches.write_back import Recorder
from ml_assets.gating.evaluation import MATERIALIZE, Gating
from ml_assets.graph.translator import Asset
from ml_assets.orchestration.launcher import workers
from ml_assets.orchestration.materialization import Materialization
from ml_assets.orchestration.run_options import build_reproduction, open_admission, server_options
from ml_assets.orchestration.worker import appear
from ml_assets.project.project import Project
from ml_assets.project.rules import find_rules
from ml_assets.proof.run_judgement import join_judged, judge_run, prove_run
from ml_assets.proof.store import Proofs
from ml_assets.reporting.reporter import Reporter
from resources.dvc.lock.repository_lock import hold_repository
from resources.dvc.run.leftover_processes import end_orphans
from resources.errors import ConfigurationError, ResourceError
from security.content.printable import printable
from security.errors import SecurityError
from security.policy.decision import CaseDecision

#: Names the commit that a run is about.
COMMIT_TAG = "ml-assets/commit"
BRANCH_TAG = "ml-assets/branch"
#: Says what has asked for a run.
TRIGGER_TAG = "ml-assets/trigger"
SENSOR = "sensor"


class BranchRun:
    """One run on a watched branch.

    Args:
        context: of the op; without a selection of assets it is asked for the whole branch.
    """

    def __init__(
        self, watch: Watch, branch: str, context: dg.AssetExecutionContext, reporter: Reporter
    ) -> None:
        self._watch = watch
        self._branch = branch
        self._context = context
        self._reporter = reporter
        self._whole = context.run.asset_selection is None

    def execute(self) -> None:
        """Run.

        Raises:
            dagster.Failure: a stage failed, a gate refused, or something could not be judged.
        """
        appear(workers(self._context.instance), self._context.run.run_id)
        try:
            commit = self._find_commit()  # 1
            self._refuse_untrusted(commit)
            if self._claim(commit):  # 2
                self._execute(commit)
        except (ResourceError, SecurityError) as error:
            text = f"{error.message}\n  hint: {error.hint}"
            raise dg.Failure(description=text, allow_retries=False) from error

    def _execute(self, commit: str) -> None:
        context, notice = self._context, self._reporter.notice
        tags = {BRANCH_TAG: self._branch, COMMIT_TAG: commit}
        context.instance.add_run_tags(context.run.run_id, tags)
        graph = self._check_out(commit)  # 3
        work = _Work(
            graph=graph,
            assets=self._select(graph),
            record=BranchRecord(self._watch, graph, commit, context),
            proofs=Proofs(graph.project, notice),
            reporter=self._reporter,
            whole=self._whole,
        )
        if self._whole:
            work.record.record_source()
        judged = work.judge(work.materialize())  # 4, 5
        _refuse_blocked(judged)
        run_id = context.run.run_id
        Recorder(self._watch, graph, self._branch, commit, run_id, notice).write_back()  # 6
        if self._whole:
            mark_verified(self._watch.mirror, self._branch, commit)

    def _find_commit(self) -> str:
        named = self._context.run.tags.get(COMMIT_TAG)
        mirror = self._watch.mirror
        if named:
            if not mirror.has(named):
                raise ConfigurationError(
                    f"not a commit of the watched repository: {named}", "name one that was pushed"
                )
            return named
        head = mirror.read_tracked(self._branch) if self._whole else None
        found = head or read_verified(mirror, self._branch)
        if found is None:
            raise ConfigurationError(
                f"no commit of {self._branch} has passed here yet",
                "push one, or launch the job of the whole branch",
            )
        return found

    def _refuse_untrusted(self, commit: str) -> None:
        """Refuse a commit that has to be signed and is not, whoever asks for it."""
        why = find_objection(self._watch, commit)
        if why is not None:
            raise ConfigurationError(
                f"refused: {commit[:12]}: {why}", "let somebody trusted sign it, and push that"
            )

    def _claim(self, commit: str) -> bool:
        """Whether this run is the one that runs a commit for a sensor: the first to ask.

        Two daemons on one storage may both have asked for it at the same moment.
        """
        if self._context.run.tags.get(TRIGGER_TAG) != SENSOR:
            return True
        run = self._context.run.root_run_id or self._context.run.run_id
        holder = claim(self._watch.home / "claims", f"{self._branch}@{commit}", run)
        if holder != run:
            self._context.log.warning(f"nothing to do: run {holder} has this commit")
        return holder == run

    def _check_out(self, commit: str) -> Graph:
        watch, notice = self._watch, self._reporter.notice
        project = watch.open_worktree(self._branch, commit)
        _end_orphans(project, notice)
        locks = find_locks(watch.mirror, self._branch, commit, watch.below, notice)
        if locks:
            write_kept(project.root, project.load_manifest(), locks)
        return load_graph(watch, self._branch, commit)

    def _select(self, graph: Graph) -> list[Asset]:
        if self._whole:
            return list(graph.assets)
        asked = {tuple(key.path) for key in self._context.selected_asset_keys}
        chosen = [asset for asset in graph.assets if asset.key in asked]
        missing = asked - {asset.key for asset in chosen} - {graph.source}
        if missing:
            names = ", ".join(sorted("/".join(key) for key in missing))
            raise ConfigurationError(
                f"not in the last commit that passed: {names}",
                "launch the job of the whole branch, then try again",
            )
        return chosen


@dataclass(frozen=True)
class _Work:
    """What one run does in its checkout.

    Attributes:
        assets: that were asked for.
        whole: the branch as a whole was asked for, with everything that its environment wants.
    """

    graph: Graph
    assets: Sequence[Asset]
    record: BranchRecord
    proofs: Proofs
    reporter: Reporter
    whole: bool

    @cached_property
    def _environment(self) -> str:
        """The environment that the branch maps to; the protected branch says which one that is."""
        policy = find_rules(self.graph.project.root).policy
        return policy.environment_of(self.graph.project.branch) or MATERIALIZE

    @cached_property
    def _gating(self) -> Gating:
        """Judges what lies there after the stages have run."""
        graph, notice = self.graph, self.reporter.notice
        return Gating(
            graph.project, graph.checkout, environment=self._environment, on_notice=notice
        )

    def materialize(self) -> list[CaseDecision]:
        """Run the stages; return what gates have said before each of them.

        Raises:
            dagster.Failure: a stage failed, or could not be tried.
        """
        if not self.assets:
            return []
        by_key = {dg.AssetKey(asset.key): asset for asset in self.assets}
        stages = list(dict.fromkeys(asset.stage for asset in self.assets))
        project, checkout, context = self.graph.project, self.graph.checkout, self.record.context
        admission = open_admission(project, checkout)
        options = server_options(
            project,
            checkout,
            stages,
            self.proofs,
            context.run.run_id,
            admission=admission,
            environment=self._environment,
        )
        reproduction = build_reproduction(checkout, stages, options, self.reporter)
        run = Materialization(project, context, self.assets, reproduction, self.reporter)
        try:
            for made in run.run():
                asset = by_key[dg.AssetKey.from_coercible(made.asset_key or ())]
                self.record.record_made(asset, made)
        except BaseException:
            self.record.record_judged(self._gating, admission.decisions)
            raise
        return admission.decisions

    def judge(self, known: Sequence[CaseDecision]) -> list[CaseDecision]:
        """Judge, sign what the run comes to, and record it.

        Args:
            known: what gates have said before stages ran.
        """
        gating, checkout = self._gating, self.graph.checkout
        checkout.forget_locks()  # the stages have written them since
        locations = [asset.location for asset in self.assets if asset.location]
        jobs = self.graph.project.settings.capacity
        judged = join_judged(known, judge_run(gating, None if self.whole else locations, jobs))
        self.record.record_judged(gating, judged)
        checkout.store.save()
        read = {one: checkout.read(one) for one in locations if "://" not in one}
        contents = {one: content for one, content in read.items() if content is not None}
        notice = self.reporter.notice
        for location in prove_run(gating, self.proofs, judged, contents, notice):
            self.record.record_signed(location)
        self.record.record_proven(self.proofs, contents)
        return judged


def _end_orphans(project: Project, on_notice: Callable[[str], None]) -> None:
    """End stages of a run of the same commit whose process was killed: they would go on writing."""

    def wait(holder: str) -> None:
        on_notice(f"waiting for another run of this commit: process {holder}")

    wait_for = project.settings.wait
    with hold_repository(project.root, shared=False, wait=wait_for, on_wait=wait):
        ended = end_orphans(project.root)
    if ended:
        on_notice(f"ended what a killed run had left: processes {', '.join(map(str, ended))}")


def _refuse_blocked(judged: Sequence[CaseDecision]) -> None:
    """Fail where a gate blocks."""
    lines = [
        f"{one.decision.gate} of {printable(one.decision.subject)}: "
        f"{one.decision.verdict.value}: {one.decision.reason}"
        for one in judged
        if one.decision.blocks
    ]
    if lines:
        raise dg.Failure(description="\n".join(lines), allow_retries=False)
