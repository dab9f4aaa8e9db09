"""A process that measures what separate privileges cost, and prints the seconds.

    python -P benchmarks/separate.py

In the project of the current directory it starts a process that does nothing: unconfined, confined
by Landlock alone, and with a view of the files. It signs a statement with the key in its own
process, and through the signer process. It prints one JSON document with the medians. The ways take
turns. The time excludes imports, the creation of a key and the start of the signer.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ml_assets.project.process_view import build_view
from ml_assets.project.project import Project
from ml_assets.signer.access import find_signer, separate_signer
from ml_assets.signer.service import SigningMethod
from ml_assets.signer.user_directories import find_configuration
from resources.signing.keyring import Keyring
from security.sandbox.confinement import (
    Restriction,
    can_protect,
    start_confined,
    start_restricted,
)
from security.sandbox.ruleset import build_ruleset
from security.statements.predicates import PREDICATES
from security.statements.statement import Subject, write_statement

_TIMES = 100


def main() -> int:
    """Measure, and print the document."""
    project = Project(Path.cwd())
    project.make_state()
    keyring = Keyring(find_configuration())
    keyring.generate(None)
    key = keyring.open_signer(None)
    separate_signer([Path.cwd()])
    if not can_protect():
        sys.stderr.write("no private mounts here\n")
        return 1
    signer = find_signer()
    signer.open(SigningMethod("key", os.getcwd()))
    payload = write_statement((Subject("model", {"sha256": "0" * 64}),), min(PREDICATES), {})
    view = build_view(project, project.settings)
    ways: dict[str, Callable[[], object]] = {
        "unconfined": lambda: _start().wait(),
        "landlock": lambda: _start_with_landlock(view.hidden).wait(),
        "view": lambda: start_confined(_start, view).wait(),
        "key": lambda: key.sign(payload.payload),
        "signer": lambda: signer.sign(payload.payload),
    }
    print(json.dumps(_measure(ways)))
    return 0


def _measure(ways: dict[str, Callable[[], object]]) -> dict[str, float]:
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(_TIMES):
        for name, work in ways.items():
            started = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(found) for name, found in seconds.items()}


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["/bin/true"], start_new_session=True)


def _start_with_landlock(hidden: tuple[Path, ...]) -> subprocess.Popen[bytes]:
    ruleset = build_ruleset(hidden)
    try:
        return start_restricted(_start, Restriction(ruleset))
    finally:
        os.close(ruleset)


if __name__ == "__main__":
    sys.exit(main())
