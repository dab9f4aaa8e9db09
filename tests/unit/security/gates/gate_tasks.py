"""Tasks for tests of gates: a gate gets what the orchestrator gives it, in a directory of ours."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from security.gates.interface import Gate, Place, Task

ENVIRONMENT = {"PATH": os.defpath, "LANG": "C.UTF-8"}


def build_task(
    directory: Path, gate: Gate, files: Mapping[str, str | bytes], **overrides: Any
) -> Task:
    """Write files below a directory and return the task to judge them.

    A gate that works in a copy finds only what it reads there; one that works in the checkout finds
    all of it. What it reads is listed in both. Configuration is written as given: tests decide
    whether it stands for the protected branch's.

    Args:
        directory: an empty one; ``tree`` and ``scratch`` are made in it.
        overrides: fields of the task to set otherwise.
    """
    tree, scratch = directory / "tree", directory / "scratch"
    for new in (tree, scratch):
        new.mkdir(parents=True, exist_ok=True)
    read = sorted(path for path in files if gate.reads(path))
    for path in read if gate.place is Place.COPY else files:
        write_file(tree / path, files[path])
    task = Task("source", tree, tuple(read), scratch, ENVIRONMENT, timeout=60.0)
    return replace(task, **overrides)


def write_file(path: Path, content: str | bytes) -> None:
    """Write one file and the directories that it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
