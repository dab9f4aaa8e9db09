"""Tasks for tests of gates: a gate gets what the orchestrator gives it, in a directory of ours."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

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


def remove_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take all that is installed out of this process, as if no tool had been installed."""
    installed = (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path not in installed])
    monkeypatch.setattr(sysconfig, "get_path", lambda name: os.devnull)


def replace_python(monkeypatch: pytest.MonkeyPatch, program: Path, script: str) -> None:
    """Let a shell script be started where Python tools of our environment would be."""
    monkeypatch.setattr(sys, "executable", str(write_program(program, script)))


def write_program(path: Path, script: str) -> Path:
    """Write a shell script that can be started, and return its path."""
    write_file(path, f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path
