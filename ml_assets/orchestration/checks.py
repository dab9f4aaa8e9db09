"""The checks: gates as Dagster asset checks on their subjects.

Checks are display. Stages evaluate the gates of their inputs themselves (``admission``).
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)

from ml_assets.gating.evaluation import Gating
from ml_assets.gating.runner import Case
from ml_assets.graph.translator import Asset, Key, source_key
from ml_assets.orchestration.run_rules import resolve_rules
from ml_assets.project.project import Project
from ml_assets.project.rules import Rules
from resources.dvc.checkout.checkout import Checkout
from security.content.printable import printable
from security.finding import Finding
from security.gates.interface import Kind
from security.policy.decision import CaseDecision, Decision
from security.verdict import Verdict

_ROWS = 200  # limit of shown findings; the result holds all of them
_COLUMNS = ("status", "finding", "severity", "place", "message")


@dataclass(frozen=True)
class ProjectOpener:
    """Opens the project of an op from one of its resources.

    Attributes:
        resource: the key of the resource.
        open: opens the project from the resource.
    """

    resource: str
    open: Callable[[Any], Project]


def build_checks(
    project: Project,
    rules: Rules,
    checkout: Checkout,
    assets: Sequence[Asset],
    opener: ProjectOpener,
    *,
    name: str = "gates",
) -> list[dg.AssetChecksDefinition]:
    """Build a check for every gate of the source and of each of some assets.

    Args:
        opener: opens the project for the op.
        name: the name of the op.

    Raises:
        ConfigurationError: the rules are not valid.
    """
    gating = Gating(project, checkout, rules)
    cases = gating.shown_cases([asset.location for asset in assets if asset.location])
    if not cases:
        return []
    keys = {asset.location: dg.AssetKey(asset.key) for asset in assets}
    source = dg.AssetKey(source_key(project.branch, checkout.manifest))
    keyed = [
        (case, source if case.gate.kind is Kind.SOURCE else keys[case.subject]) for case in cases
    ]
    return [_build(opener, keyed, name)]


def _build(
    opener: ProjectOpener, cases: Sequence[tuple[Case, dg.AssetKey]], name: str
) -> dg.AssetChecksDefinition:
    """Build one op of all checks.

    Dagster's decorator would name inputs and outputs after the assets, whose names need not be
    identifiers.
    """
    specs = {
        f"out_{number}": dg.AssetCheckSpec(
            check_name(case.gate.name), asset=key, description=describe(case)
        )
        for number, (case, key) in enumerate(cases)
    }
    judged = {specs[f"out_{number}"].key: case for number, (case, _) in enumerate(cases)}
    inputs = {f"in_{n}": key for n, key in enumerate(dict.fromkeys(key for _, key in cases))}

    @dg.op(
        name=name,
        ins=dict.fromkeys(inputs, dg.In(dg.Nothing)),
        out={name: dg.Out(None, is_required=False) for name in specs},
        required_resource_keys={opener.resource},
    )
    def gates(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        project = opener.open(getattr(context.resources, opener.resource))
        rules = resolve_rules(project, context.run.run_id)
        chosen = {judged[key].key: key for key in context.selected_asset_check_keys}
        yield from _judge(project, rules, chosen)

    definition: dg.AssetChecksDefinition = dg.AssetChecksDefinition.create(
        keys_by_input_name=inputs,
        node_def=gates,
        check_specs_by_output_name=specs,
        can_subset=True,
    )
    return definition


def _judge(
    project: Project, rules: Rules, chosen: Mapping[tuple[str, str], dg.AssetCheckKey]
) -> Iterator[dg.AssetCheckResult]:
    """Judge the current state of the project, not its state when the definitions loaded."""
    checkout = project.open_checkout()
    gating = Gating(project, checkout, rules)
    cases = [
        case
        for case in gating.cases(sorted({gate for gate, _ in chosen}))
        if (case.gate.name, case.subject) in chosen
    ]
    for judged in gating.decide_all(cases, project.settings.capacity):
        decision = judged.decision
        yield evaluation(judged, chosen[decision.gate, decision.subject])
    checkout.store.save()


def check_name(gate: str) -> str:
    """Return the name of a gate as a valid name of a Dagster check."""
    return gate.replace("-", "_")


def describe(case: Case) -> str:
    """Return the description of a check."""
    return (
        f"The gate {case.gate.name} on {printable(case.subject)}. "
        "A stage that requires the gate for its inputs does not run until they pass."
    )


def evaluation(judged: CaseDecision, key: dg.AssetCheckKey) -> dg.AssetCheckResult:
    """Return a decision as an asset check: only ``passed`` passes; blocking ones are errors."""
    decision = judged.decision
    metadata: dict[str, Any] = {
        "verdict": decision.verdict.value,
        "seconds": round(judged.seconds, 3),
        "cached": judged.cached,
        **{f"fact/{name}": value for name, value in _facts(judged).items()},
    }
    if judged.tool is not None:
        metadata["tool"] = f"{judged.tool.name} {judged.tool.version}"
    rows = list(_rows(decision))
    if rows:
        metadata["findings"] = len(rows)
        metadata["table of findings"] = dg.MetadataValue.table(
            records=[dg.TableRecord(dict(zip(_COLUMNS, row, strict=True))) for row in rows[:_ROWS]],
            schema=dg.TableSchema(columns=[dg.TableColumn(name) for name in _COLUMNS]),
        )
    return dg.AssetCheckResult(
        passed=decision.verdict is Verdict.PASSED,
        asset_key=key.asset_key,
        check_name=key.name,
        severity=dg.AssetCheckSeverity.ERROR if decision.blocks else dg.AssetCheckSeverity.WARN,
        description=decision.reason,
        metadata=metadata,
    )


def _facts(judged: CaseDecision) -> Mapping[str, str | int | float]:
    return judged.report.facts if judged.report is not None else {}


def _rows(decision: Decision) -> Iterator[tuple[str, ...]]:
    groups: dict[str, Sequence[Finding]] = {
        "failing": decision.failing,
        "warning": decision.warning,
        "waived": [finding for finding, _ in decision.waived],
        "silenced": decision.silenced,
    }
    for status, findings in groups.items():
        for finding in findings:
            yield (
                status,
                printable(finding.id),
                finding.severity.value if finding.severity else "none given",
                printable(finding.place),
                printable(finding.message, 500),
            )


def keys_of(
    source: Key, kinds: Mapping[str, Kind], judged: Sequence[CaseDecision], assets: Sequence[Asset]
) -> Iterator[tuple[CaseDecision, dg.AssetCheckKey]]:
    """Yield each decision with the key of its check.

    Args:
        source: the key of the source tree.
        kinds: the kind of subject of each gate; an out can have the name of the source.
    """
    keys = {asset.location: asset.key for asset in assets if asset.location}
    for one in judged:
        gate, subject = one.decision.gate, one.decision.subject
        key = source if kinds[gate] is Kind.SOURCE else keys.get(subject)
        if key is not None:
            yield one, dg.AssetCheckKey(dg.AssetKey(key), check_name(gate))


def report_evaluations(
    instance: dg.DagsterInstance,
    source: Key,
    kinds: Mapping[str, Kind],
    judged: Sequence[CaseDecision],
    assets: Sequence[Asset],
) -> None:
    """Record decisions in Dagster, which shows them beside the assets."""
    pairs = list(keys_of(source, kinds, judged, assets))
    targets = _find_targets(instance, {key.asset_key for _, key in pairs})
    for one, key in pairs:
        result = evaluation(one, key)
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=key.asset_key,
                check_name=key.name,
                passed=result.passed,
                metadata=result.metadata,
                severity=result.severity,
                description=result.description,
                target_materialization_data=targets.get(key.asset_key),
            )
        )


def refuse_blocked(decisions: Sequence[CaseDecision]) -> None:
    """Fail the step where a gate blocks.

    Raises:
        dagster.Failure: a gate blocks.
    """
    lines = [
        f"{one.decision.gate} of {printable(one.decision.subject)}: "
        f"{one.decision.verdict.value}: {one.decision.reason}"
        for one in decisions
        if one.decision.blocks
    ]
    if lines:
        raise dg.Failure(description="\n".join(lines), allow_retries=False)


def _find_targets(
    instance: dg.DagsterInstance, keys: Collection[dg.AssetKey]
) -> dict[dg.AssetKey, AssetCheckEvaluationTargetMaterializationData]:
    """Return the judged materializations, which are the last ones.

    Without them Dagster compares times in whole seconds, and does not show an evaluation from the
    second of its materialization.
    """
    found: dict[dg.AssetKey, AssetCheckEvaluationTargetMaterializationData] = {}
    for record in instance.get_asset_records(list(keys)) if keys else ():
        last = record.asset_entry.last_materialization_record
        if last is not None:
            found[record.asset_entry.asset_key] = AssetCheckEvaluationTargetMaterializationData(
                storage_id=last.storage_id, run_id=last.run_id, timestamp=last.timestamp
            )
    return found
