"""The run of a working tree that Dagster starts, from the UI or ``dagster asset materialize``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from ml_assets.gating.evaluation import Gating
from ml_assets.graph.translator import Asset, source_key
from ml_assets.orchestration.checks import refuse_blocked, report_evaluations
from ml_assets.orchestration.known_states import KnownStates
from ml_assets.orchestration.materialization import Materialization
from ml_assets.orchestration.proof_store import ProofStoreResource
from ml_assets.orchestration.run_options import build_reproduction, open_admission, server_options
from ml_assets.orchestration.run_rules import resolve_rules
from ml_assets.project.project import Project
from ml_assets.proof.sign_run import sign_run
from ml_assets.reporting.reporter import StandardOutput
from resources.errors import ResourceError
from security.errors import SecurityError
from security.policy.decision import CaseDecision


class WorkingTreeRun:
    """One step of a run: the whole graph, or one stage of it.

    Args:
        assets: the assets that the step can make.
        selected: the assets that Dagster requests.
    """

    def __init__(
        self,
        project: Project,
        proof_store: ProofStoreResource,
        context: dg.AssetExecutionContext,
        assets: Sequence[Asset],
        selected: Sequence[Asset],
    ) -> None:
        self._project = project
        self._proof_store = proof_store
        self._context = context
        self._assets = assets
        self._selected = selected
        self._reporter = StandardOutput()

    def execute(self) -> Iterator[dg.MaterializeResult[Any]]:
        """Run the stages and end the run.

        Raises:
            dagster.Failure: a stage failed, a gate blocks, or a statement cannot be signed.
        """
        try:
            yield from self._execute()
        except (ResourceError, SecurityError) as error:
            text = f"{error.message}\nhint: {error.hint}"
            raise dg.Failure(description=text, allow_retries=False) from error

    def _execute(self) -> Iterator[dg.MaterializeResult[Any]]:
        project, context, reporter = self._project, self._context, self._reporter
        run_id = context.run.run_id
        rules = resolve_rules(project, run_id)
        stages = list(dict.fromkeys(asset.stage for asset in self._selected))
        context.instance.add_run_tags(run_id, project.run_tags)
        KnownStates(project).forget({a.name for a in self._assets if a.stage in stages})
        proofs = self._proof_store.open(project, rules, reporter.notice)
        checkout = project.open_checkout()
        admission = open_admission(project, checkout, rules)
        options = server_options(project, rules, checkout, stages, proofs, run_id, admission)
        run = build_reproduction(checkout, stages, options, reporter)
        yield from Materialization(project, context, self._selected, run, reporter).run()
        gating = Gating(project, checkout, rules, on_notice=reporter.notice)
        locations = [asset.location for asset in self._selected if asset.location]
        signed = sign_run(gating, proofs, locations, reporter.notice, admitted=admission.decisions)
        self._refuse(gating, signed.decisions)

    def _refuse(self, gating: Gating, decisions: Sequence[CaseDecision]) -> None:
        """Fail where a gate blocks; Dagster will not execute the checks of a step that fails."""
        blocking = [one for one in decisions if one.decision.blocks]
        source = source_key(self._project.branch, gating.checkout.manifest)
        kinds = gating.kit.kinds
        report_evaluations(self._context.instance, source, kinds, blocking, self._assets)
        refuse_blocked(blocking)
