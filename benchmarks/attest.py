"""A process that attests every stage of the current repository, with the existing outs.

    python -P benchmarks/attest.py

It prints one JSON document with the number of stages and the seconds of each, without imports. The
first stage includes reading the inputs of all stages: Git's files, lock files, the interpreter.
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
    project.run_tags  # noqa: B018  # as in a run: refreshes the index
    checkout = project.open_checkout()
    proofs = Proofs(project, find_rules(project.root))
    proofs.signer  # noqa: B018  # create the key before the clock starts
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
