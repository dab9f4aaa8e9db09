"""The options of a run: from the settings, the command line and the environment."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ml_assets.gating.admission import GateAdmission
from ml_assets.gating.evaluation import Gating
from ml_assets.project.process_view import find_view, list_unprotected
from ml_assets.project.project import Project
from ml_assets.project.rules import Rules
from ml_assets.project.settings.settings import Granularity
from ml_assets.project.stage_variables import find_stage_variables
from ml_assets.proof.attestation import StageAttestation
from ml_assets.proof.store import Proofs
from ml_assets.reporting.reporter import Reporter
from resources.dvc.checkout.checkout import Checkout
from resources.dvc.reuse import Reuse
from resources.dvc.run.admission import Admission
from resources.dvc.run.attestation import Attestation
from resources.dvc.run.options import Options
from resources.dvc.run.reproduction import Reproduction
from resources.dvc.run.schedule import Capacity
from resources.dvc.run.stage_environment import StageEnvironment
from security.policy.policy import MATERIALIZE


def server_options(
    project: Project,
    rules: Rules,
    checkout: Checkout,
    stages: Sequence[str],
    proofs: Proofs,
    run_id: str,
    admission: Admission,
    *,
    environment: str = MATERIALIZE,
) -> Options:
    """Return the options of a run that Dagster starts, from the settings alone.

    Args:
        admission: decides before each stage whether it may run.
        environment: the policy environment of the run.
    """
    settings = project.settings
    variables = find_stage_variables(project, rules, server=True)
    strict = is_strict(rules, environment)
    return build_options(
        project,
        rules,
        stages,
        jobs=settings.capacity,
        environment=variables,
        admission=admission,
        attestation=StageAttestation(project, checkout, proofs, variables, run_id, strict=strict),
        shared=settings.granularity is Granularity.STAGE,
    )


def is_strict(rules: Rules, environment: str) -> bool:
    """Whether an environment restores from DVC's caches only outs with a trusted provenance.

    Raises:
        PolicyError: the policy is not valid, or has no such environment.
    """
    return rules.policy.environment(environment).verified_restores


def open_admission(project: Project, checkout: Checkout, rules: Rules) -> GateAdmission:
    """Return the admission of the stages of one run."""
    return GateAdmission(lambda written: Gating(project, checkout, rules, written=written))


def build_options(
    project: Project,
    rules: Rules,
    stages: Sequence[str],
    *,
    jobs: int,
    environment: StageEnvironment,
    admission: Admission,
    attestation: Attestation,
    keep_going: bool = False,
    wait: float | None = None,
    reuse: Reuse = Reuse(),
    shared: bool = False,
) -> Options:
    """Return the options of a run of stages.

    Args:
        jobs: capacity.
        admission: decides before each stage whether it may run (``GateAdmission``).
        attestation: attests each stage that has run (``StageAttestation``).
        wait: seconds to wait for another run; None takes the setting.
        shared: other processes of the same run work in the checkout.
    """
    settings = project.settings
    return Options(
        capacity=Capacity(
            jobs=jobs,
            weights=settings.weights_of(stages),
            mutexes=settings.mutexes_of(stages),
            keep_going=keep_going or settings.keep_going,
        ),
        environment=environment,
        admission=admission,
        attestation=attestation,
        view=find_view(project, rules),
        wait=settings.wait if wait is None else wait,
        reuse=reuse,
        limits=settings.limits_of(stages),
        shared=shared,
    )


def build_reproduction(
    checkout: Checkout, stages: Collection[str], options: Options, reporter: Reporter
) -> Reproduction:
    """Return a run of stages, and report the Python, and what its stages lack."""
    for text in options.environment.notices:
        reporter.notice(text)
    if options.environment.withheld:
        reporter.notice(f"not passed to stages: {', '.join(options.environment.withheld)}")
    for unprotected in list_unprotected(options.view):
        reporter.notice(unprotected)
    return Reproduction(checkout, stages, options, on_line=reporter.line, on_notice=reporter.notice)
