"""The run of a watched branch, at one commit.

1. The commit: the one in the run's tags; for a run of the whole branch its head; otherwise the last
   passed commit of the branch.
2. The rules: those of the protected branch at the start. They decide whether the signature of the
   commit counts, and stay the same until the end of the run, even if the sensor fetches new ones.
3. The claim: only one run executes a commit that a sensor requests, even with several daemons.
   Another one gets the claim only if the process of the first was killed.
4. The checkout: a worktree of its own, with the lock files that earlier runs have written.
5. The stages run; Dagster records their outs under the versions of this commit.
6. ``sign_run`` ends the run for the environment of the branch.
7. The outs go to the DVC remote, then the lock files to the repository of the other clones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import dagster as dg

from ml_assets.branches.branch_events import BranchRecord
from ml_assets.branches.commit_claim import claim_commit
from ml_assets.branches.commit_trust import find_objection
from ml_assets.branches.graph_at_commit import CommitGraph, load_graph
from ml_assets.branches.lock_files import write_kept
from ml_assets.branches.lock_records import LockRecords, open_records
from ml_assets.branches.mirror_pin import find_mirrored
from ml_assets.branches.passed_commit import mark_passed, read_passed
from ml_assets.branches.run_outcome import CLAIMED_TAG
from ml_assets.branches.watch import Watch
from ml_assets.branches.write_back import Recorder
from ml_assets.gating.evaluation import Gating
from ml_assets.graph.translator import Asset
from ml_assets.orchestration.checks import refuse_blocked
from ml_assets.orchestration.instance.launcher import workers
from ml_assets.orchestration.instance.worker import appear
from ml_assets.orchestration.materialization import Materialization
from ml_assets.orchestration.proof_store import ProofStoreResource
from ml_assets.orchestration.run_options import build_reproduction, open_admission, server_options
from ml_assets.project.project import Project
from ml_assets.project.rules import Rules, pin_rules
from ml_assets.proof.sign_run import sign_run
from ml_assets.proof.store import Proofs
from ml_assets.reporting.reporter import Reporter
from ml_assets.signer.access import find_signer
from resources.dvc.lock.repository_lock import hold_repository
from resources.dvc.run.leftover_processes import end_orphans
from resources.errors import ConfigurationError, ResourceError
from resources.git.repository import Branch
from resources.git.submodule_files import list_submodules
from security.errors import SecurityError
from security.policy.decision import CaseDecision
from security.policy.policy import MATERIALIZE

#: Names the commit of a run.
COMMIT_TAG = "ml-assets/commit"
BRANCH_TAG = "ml-assets/branch"
#: Names the trigger of a run.
TRIGGER_TAG = "ml-assets/trigger"
SENSOR = "sensor"
_NO_SUBMODULES = "submodules are not checked out; run their stages: ml-assets run --commit"
_NOT_USED = "record of lock files not used"


class BranchRun:
    """One run of a watched branch.

    Args:
        context: of the op; a run without a selection of assets is for the whole branch.
    """

    def __init__(
        self,
        watch: Watch,
        proof_store: ProofStoreResource,
        branch: str,
        context: dg.AssetExecutionContext,
        reporter: Reporter,
    ) -> None:
        self._watch = watch
        self._proof_store = proof_store
        self._branch = branch
        self._context = context
        self._reporter = reporter
        self._whole = context.run.asset_selection is None

    def execute(self) -> None:
        """Run.

        Raises:
            dagster.Failure: a stage failed, a gate blocks, or a statement cannot be signed.
        """
        appear(workers(self._context.instance), self._context.run.run_id)
        try:
            commit = self._find_commit()  # 1
            protected = find_mirrored(self._watch)  # 2
            self._refuse_untrusted(commit, protected)
            if self._claim(commit):  # 3
                self._execute(commit, protected)
        except (ResourceError, SecurityError) as error:
            text = f"{error.message}\n  hint: {error.hint}"
            raise dg.Failure(description=text, allow_retries=False) from error

    def _execute(self, commit: str, protected: Branch | None) -> None:
        context, notice = self._context, self._reporter.notice
        tags = {BRANCH_TAG: self._branch, COMMIT_TAG: commit}
        context.instance.add_run_tags(context.run.run_id, tags)
        records = open_records(self._watch, protected.commit if protected else None)
        graph = self._check_out(commit, records)  # 4
        rules = pin_rules(graph.project.root, protected)
        work = _Work(
            graph=graph,
            rules=rules,
            assets=self._select(graph),
            record=BranchRecord(self._watch, graph, commit, context),
            proofs=self._proof_store.open(graph.project, rules, notice),
            reporter=self._reporter,
            whole=self._whole,
        )
        if self._whole:
            work.record.record_source()
        refuse_blocked(work.end(work.materialize()))  # 5, 6
        run_id = context.run.run_id
        sign = work.proofs.signer.sign
        recorder = Recorder(self._watch, records, sign, graph, self._branch, commit, run_id, notice)
        recorder.write_back()  # 7
        if self._whole:
            mark_passed(self._watch.mirror, self._branch, commit)

    def _find_commit(self) -> str:
        named = self._context.run.tags.get(COMMIT_TAG)
        mirror = self._watch.mirror
        if named:
            if not mirror.has(named):
                raise ConfigurationError(
                    f"not a commit of the watched repository: {named}", "name a pushed commit"
                )
            return named
        head = mirror.read_tracked(self._branch) if self._whole else None
        found = head or read_passed(mirror, self._branch)
        if found is None:
            raise ConfigurationError(
                f"no passed commit of branch: {self._branch}",
                "push a commit, or launch the job of the whole branch",
            )
        return found

    def _refuse_untrusted(self, commit: str, protected: Branch | None) -> None:
        """Refuse a commit without a trusted signature, for every trigger."""
        why = find_objection(self._watch, commit, protected.commit if protected else None)
        if why is not None:
            raise ConfigurationError(
                f"commit refused: {commit[:12]}: {why}", "sign it with a trusted key, and push it"
            )

    def _claim(self, commit: str) -> bool:
        """Claim a commit that a sensor requested; return whether this run has the claim."""
        run, instance = self._context.run, self._context.instance
        if run.tags.get(TRIGGER_TAG) != SENSOR:
            return True
        name = f"{self._branch}@{commit}"
        holder = claim_commit(self._watch.home, instance, run, name, find_signer().seal)
        if holder is None:
            return True
        instance.add_run_tags(run.run_id, {CLAIMED_TAG: holder})
        self._context.log.warning(f"nothing to do: another run has claimed this commit: {holder}")
        return False

    def _check_out(self, commit: str, records: LockRecords) -> CommitGraph:
        watch, notice = self._watch, self._reporter.notice
        project = watch.open_worktree(self._branch, commit)
        _end_orphans(project, notice)
        if list_submodules(project.root):
            notice(_NO_SUBMODULES)
        found = records.find(self._branch, lambda why: notice(f"{_NOT_USED}: {why}"))
        locks = records.select(found, commit, watch.below, notice) if found else {}
        if locks:
            write_kept(project.root, project.load_manifest(), locks)
        return load_graph(watch, self._branch, commit)

    def _select(self, graph: CommitGraph) -> list[Asset]:
        if self._whole:
            return list(graph.assets)
        asked = {tuple(key.path) for key in self._context.selected_asset_keys}
        chosen = [asset for asset in graph.assets if asset.key in asked]
        missing = asked - {asset.key for asset in chosen} - {graph.source}
        if missing:
            names = ", ".join(sorted("/".join(key) for key in missing))
            raise ConfigurationError(
                f"not in the last passed commit: {names}",
                "launch the job of the whole branch, then try again",
            )
        return chosen


@dataclass(frozen=True)
class _Work:
    """The work of one run in its checkout.

    Attributes:
        rules: the rules at the start of the run.
        assets: the selected assets.
        whole: whether the run is for the whole branch, with every gate of its environment.
    """

    graph: CommitGraph
    rules: Rules
    assets: Sequence[Asset]
    record: BranchRecord
    proofs: Proofs
    reporter: Reporter
    whole: bool

    @property
    def _environment(self) -> str:
        """The environment that the policy maps the branch to."""
        return self.rules.policy.environment_of(self.graph.project.branch) or MATERIALIZE

    @cached_property
    def _gating(self) -> Gating:
        """The gating of the checkout after the stages have run."""
        return Gating(
            self.graph.project,
            self.graph.checkout,
            self.rules,
            environment=self._environment,
            on_notice=self.reporter.notice,
        )

    def materialize(self) -> list[CaseDecision]:
        """Run the stages; return the decisions made before each of them.

        Raises:
            dagster.Failure: a stage failed, or could not start.
        """
        if not self.assets:
            return []
        by_key = {dg.AssetKey(asset.key): asset for asset in self.assets}
        stages = list(dict.fromkeys(asset.stage for asset in self.assets))
        project, checkout, context = self.graph.project, self.graph.checkout, self.record.context
        admission = open_admission(project, checkout, self.rules)
        options = server_options(
            project,
            self.rules,
            checkout,
            stages,
            self.proofs,
            context.run.run_id,
            admission,
            environment=self._environment,
        )
        reproduction = build_reproduction(checkout, stages, options, self.reporter)
        run = Materialization(project, context, self.assets, reproduction, self.reporter)
        try:
            for made in run.run():
                asset = by_key[dg.AssetKey.from_coercible(made.asset_key or ())]
                self.record.record_made(asset, made)
        except BaseException:
            self.record.record_decisions(self._gating, admission.decisions)
            raise
        return admission.decisions

    def end(self, admitted: Sequence[CaseDecision]) -> Sequence[CaseDecision]:
        """Sign the run and record its signed statements and models; return its decisions.

        Args:
            admitted: the decisions made before the stages.
        """
        gating, checkout = self._gating, self.graph.checkout
        checkout.forget_locks()  # the stages have written them
        locations = [asset.location for asset in self.assets if asset.location]
        signed = sign_run(
            gating,
            self.proofs,
            locations,
            self.reporter.notice,
            admitted=admitted,
            whole=self.whole,
            on_judged=lambda decisions: self.record.record_decisions(gating, decisions),
        )
        for location in signed.models:
            self.record.record_signed(location)
        read = {one: checkout.read(one) for one in locations if "://" not in one}
        self.record.record_proven(self.proofs, {k: v for k, v in read.items() if v is not None})
        return signed.decisions


def _end_orphans(project: Project, on_notice: Callable[[str], None]) -> None:
    """End the stages of a killed run of the same commit, which would continue to write."""

    def wait(holder: str) -> None:
        on_notice(f"waiting for another run of this commit: process {holder}")

    with hold_repository(project.root, shared=False, wait=project.settings.wait, on_wait=wait):
        ended = end_orphans(project.root)
    if ended:
        on_notice(f"ended processes of a killed run: {', '.join(map(str, ended))}")
