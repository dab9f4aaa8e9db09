"""A process that checks one model file, or only reads and hashes it, and prints the seconds.

    python -P benchmarks/judge_model_file.py gate|hash FILE

It prints one JSON document. The time excludes imports and includes the processes of the gate.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from security.gates.interface import Task
from security.gates.model.model_file import ModelFileGate

_CHUNK = 1 << 20


def main(how: str, file: Path) -> int:
    """Check or hash, and print the seconds and the result."""
    with tempfile.TemporaryDirectory() as scratch:
        started, before = time.perf_counter(), os.times()
        document = {"gate": _judge, "hash": _hash}[how](file, Path(scratch))
        seconds, after = time.perf_counter() - started, os.times()
    # The first four: user and system time of this process and of its children.
    cpu_seconds = sum(after[:4]) - sum(before[:4])
    print(json.dumps({**document, "seconds": seconds, "cpu_seconds": cpu_seconds}))
    return 0


def _judge(file: Path, scratch: Path) -> dict[str, object]:
    gate = ModelFileGate()
    task = Task(file.name, file.parent, (), scratch, {"PATH": os.defpath}, out=file)
    gate.tool(task)
    report = gate.judge(task)
    passed = not report.findings and report.unjudged is None and report.judged == 1
    return {"passed": passed, "sha256": report.facts.get("sha256")}


def _hash(file: Path, scratch: Path) -> dict[str, object]:
    sha256 = hashlib.sha256()
    with file.open("rb", buffering=0) as stream:
        while chunk := stream.read(_CHUNK):
            sha256.update(chunk)
    return {"passed": True, "sha256": sha256.hexdigest()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]).resolve()))
