"""This repository: copies of its own source, for gates to check."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from benchmarks.errors import NotPossible
from benchmarks.example import ROOT, load_example, parse_lock

#: So that there is a workflow to judge, wherever this repository keeps its own.
WORKFLOW = ".github/workflows/check.yml"
_WORKFLOW_TEXT = b"""\
name: check
on: [push]
permissions: {}
jobs:
  check:
    runs-on: ubuntu-24.04
    steps:
      - run: make check
"""
_SUITES = ("unit-tests", "integration-tests")


def read_source(root: Path = ROOT) -> dict[str, bytes]:
    """Read every tracked file in its current state, and add a workflow if there is none.

    Raises:
        NotPossible: it is no Git repository.
    """
    done = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=False)
    paths = [root / name for name in os.fsdecode(done.stdout).split("\0") if name]
    files = {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in paths
        if path.is_file() and not path.is_symlink()
    }
    if done.returncode or not files:
        raise NotPossible("not a Git repository, or an empty one", "measure in a clone of it")
    return {WORKFLOW: _WORKFLOW_TEXT, **files}


def read_outs(root: Path = ROOT) -> dict[str, bytes]:
    """Read all outs of the repository's own pipeline.

    Raises:
        NotPossible: not all of them are there.
    """
    found = [root / out for out in sorted(load_example(root).outs)]
    missing = [path.name for path in found if not path.exists()]
    if missing:
        raise NotPossible(f"outs missing: {', '.join(missing)}", "make them with: make run")
    files = [file for out in found for file in ([out] if out.is_file() else out.rglob("*"))]
    return {
        file.relative_to(root).as_posix(): file.read_bytes() for file in files if file.is_file()
    }


def count_stages(files: Mapping[str, bytes]) -> int:
    """Return the number of stages in the lock among these files."""
    return len(parse_lock(files["dvc.lock"])[0]) if "dvc.lock" in files else 0


def with_short_suites(files: dict[str, bytes]) -> dict[str, bytes]:
    """Replace each long test suite by a suite of one test, and return the files.

    The long suites stay in the tree, which the gates digest; only pytest's arguments change.

    Raises:
        NotPossible: the settings are not where they are looked for.
    """
    changed = dict(files)
    text = files["pyproject.toml"].decode()
    for suite in _SUITES:
        heading, directory = f"[tool.ml-assets.gates.{suite}]\n", f"short/{suite}"
        before, found, after = text.partition(heading)
        if not found:
            raise NotPossible(f"no settings of {suite} in: pyproject.toml", "fix the benchmark")
        _, _, rest = after.partition("\n\n")
        text = f'{before}{heading}paths = ["{directory}"]\n\n{rest}'
        name = f"test_short_{suite.replace('-', '_')}"
        changed[f"{directory}/{name}.py"] = f"def {name}() -> None:\n    assert True\n".encode()
    return {**changed, "pyproject.toml": text.encode()}
