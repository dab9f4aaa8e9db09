"""A process that checks one requirements file and prints the seconds as one JSON document.

    ML_ASSETS_ADVISORIES=DIRECTORY python -P benchmarks/judge_dependencies.py

A second check in the same process would find the versions of the advisories parsed. The time
includes opening the database and excludes imports.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from ml_assets.gating.advisories import Advisories, open_store
from security.gates.dependencies.gate import DependenciesGate
from security.gates.interface import Task


def main() -> int:
    """Check, and print the seconds and the number of packages."""
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as scratch, Advisories(open_store(), now=now) as advisories:
        gate = DependenciesGate(advisories.open, advisories.identify, at=now)
        task = Task("source", Path.cwd(), ("requirements.txt",), Path(scratch), {})
        started, cpu_started = time.perf_counter(), time.process_time()
        gate.tool(task)
        report = gate.judge(task)
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    document = {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "judged": report.judged,
        "unjudged": report.unjudged,
    }
    print(json.dumps(document))
    return 0


if __name__ == "__main__":
    sys.exit(main())
