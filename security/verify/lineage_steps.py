"""Steps 4 and 5 of the verifier: the inputs and the commits of the runs behind a subject."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from security.statements.provenance import Provenance, Role
from security.statements.statement import identify
from security.verdict import Verdict, combine
from security.verify.verification import Verification
from security.verify.verification_rules import VerificationRules

_SHOWN = 3  # names in a step's detail


class History(Protocol):
    """The commits of a project's repository."""

    @property
    def is_complete(self) -> bool:
        """Whether the repository holds the whole history."""

    def find_missing(self, commits: Collection[str]) -> list[str]:
        """Return the commits that the repository does not have."""


def check_inputs(found: Verification, rules: VerificationRules) -> None:
    """Take step 4.

    a. Each input that another run made has a trusted provenance.
    b. It leads to a run of this project.
    c. No input changed while a stage read it: the bytes of the out may come from both versions.
    """
    lineage = found.lineage
    subject = identify(found.subject.digest)
    others = [node for node in lineage.nodes.values() if node.id != subject]
    unproven = [f"{one.name}: {one.detail}" for one in others if one.verdict is Verdict.FAILED]
    origins = {key: one for key, one in lineage.origins.items() if key != subject}
    weak = [
        f"{lineage.nodes[k].name}: {one.weakness}" for k, one in origins.items() if one.weakness
    ]
    changed = [
        text for one in lineage.origins.values() for text in _describe_changed(one.provenance)
    ]
    local = [
        node.name
        for node in others
        if node.verdict is Verdict.WARNED and node.id not in lineage.origins
    ]
    counted = f"{len(others)} inputs of {len(lineage.origins)} runs"
    data = len(lineage.of_kind(Role.DATA.value))
    counted += f", {data} of them datasets" if data else ""
    problems = [(Verdict.FAILED, one) for one in unproven]  # a
    problems += [(rules.weak_origin, one) for one in (*weak, *changed)]  # b, c
    if problems:
        verdict = combine(one for one, _ in problems)
        found.note("inputs", verdict, shorten([text for _, text in problems]))
    elif local:
        detail = f"{counted}; neither committed nor a dataset: {shorten(local)}"
        found.note("inputs", Verdict.WARNED, detail)
    else:
        found.note("inputs", Verdict.PASSED, counted)


def _describe_changed(run: Provenance) -> list[str]:
    """Describe the deps that changed while a stage ran, with their digest before it."""
    read = {one.name: identify(one.digest) for one in run.materials}
    return [
        f"{name} changed while {run.stage} ran, was {read.get(name, 'unknown')[:16]};"
        f" {run_again(run.stage)}"
        for name in run.conditions.changed
    ]


def check_commit(found: Verification, history: History | None) -> None:
    """Take step 5."""
    runs = [origin.provenance for origin in found.lineage.origins.values()]
    uncommitted = sorted({path for run in runs for path in run.conditions.uncommitted})
    commits = sorted({identify(one.digest) for run in runs for one in run.of_role(Role.COMMIT)})
    missing = history.find_missing(commits) if history is not None else []
    if history is not None and missing:
        whole = history.is_complete
        detail = f"not in this {'repository' if whole else 'shallow clone'}: {shorten(missing)}"
        detail += f"; fetch it: git fetch origin {missing[0]}" if whole else "; fetch all history"
        found.note("commit", Verdict.FAILED if whole else Verdict.ERROR, detail)
    elif not all(run.of_role(Role.COMMIT) for run in runs):
        found.note("commit", Verdict.WARNED, "a run without a commit")
    elif uncommitted:
        detail = f"uncommitted changes during the run: {shorten(uncommitted)}"
        found.note("commit", Verdict.WARNED, detail)
    else:
        found.note("commit", Verdict.PASSED, ", ".join(one[:12] for one in commits))


def run_again(stage: str | None = None) -> str:
    """Return the command that runs a stage again, or all."""
    return f"ml-assets run --force{f' --select {stage}' if stage is not None else ''}"


def shorten(names: Sequence[str]) -> str:
    """Return the first names as one text, with the number of the others."""
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"
