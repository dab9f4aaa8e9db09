"""A process that attests every stage of the repository that it is in, from the outs that lie there.

    python -P benchmarks/attest.py

It prints one JSON document: how many stages, and what that took, without imports; the first stage's
time holds what is read once for all: Git's files, lock files and the interpreter.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from ml_assets.project.project import find_project
from ml_assets.project.rules import find_rules
from ml_assets.proof.attestation import StageAttestation
from ml_assets.proof.store import Proofs
from resources.dvc.run.stage_environment import build_environment
from resources.dvc.run.stage_result import Action, Observed, StageResult


def main() -> int:
    """Attest, and print the seconds."""
    project = find_project(Path.cwd())
    project.run_tags  # noqa: B018  # a run asks Git this first, which settles its index of a copy
    checkout = project.open_checkout()
    proofs = Proofs(project, find_rules(project.root))
    proofs.signer  # noqa: B018  # the key is made before the clock runs
    attestation = StageAttestation(
        project, checkout, proofs, build_environment(os.environ), "benchmark"
    )
    seconds: list[float] = []
    for stage in checkout.manifest.stages:
        read = {dep.location: checkout.read(dep.location) for dep in stage.deps}
        outs = {out.location: checkout.read(out.location) for out in stage.outs}
        now = datetime.now(UTC)
        inputs = {location: found for location, found in read.items() if found is not None}
        result = StageResult(
            Action.RUN,
            entry=checkout.recorded(stage),
            contents={location: found for location, found in outs.items() if found is not None},
            observed=Observed(inputs, (), now, now, True),
        )
        started = time.perf_counter()
        attestation.attest(stage, result)
        seconds.append(time.perf_counter() - started)
    print(json.dumps({"stages": len(seconds), "seconds": seconds}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
