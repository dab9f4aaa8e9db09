"""A project file: a ``dvc.yaml``, with the values in it that DVC has resolved."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from dvc.dvcfile import ProjectFile as DvcProjectFile
from dvc.repo import Repo


@dataclass(frozen=True)
class ProjectFile:
    """The sections of a ``dvc.yaml`` beside its stages."""

    path: str
    artifacts: Mapping[str, Any]
    plots: Collection[Any]
    metrics: Collection[str]
    params: Collection[str]


def read_contents(repo: Repo, path: str) -> dict[str, Any]:
    """Read a ``dvc.yaml`` before templates; empty if the file cannot have ``vars``.

    DVC keeps only the results of a file that it has parsed, and a second pass takes as long as the
    first. A file with the key has its letters, or a backslash if it escapes them.
    """
    with repo.fs.open(path, "rb") as file:
        text = file.read()
    if b"vars" not in text and b"\\" not in text:
        return {}
    contents: dict[str, Any] = DvcProjectFile(repo, path).contents
    return contents
