"""The example: a copy of this repository's own pipeline, before its first run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.errors import NotPossible

ROOT = Path(__file__).resolve().parent.parent
_FILES = ("dvc.yaml", "params.yaml", ".dvcignore")
_DIRECTORIES = ("scripts", "src")


@dataclass(frozen=True)
class Pipeline:
    """A DVC pipeline in files.

    Attributes:
        files: contents by path, without outs.
        stages: the names that ``dvc.lock`` must have after a run.
        outs: the paths that must exist after a run.
    """

    files: Mapping[str, bytes]
    stages: frozenset[str]
    outs: frozenset[str]


def load_example(root: Path = ROOT) -> Pipeline:
    """Load the pipeline of a checkout; its ``dvc.lock`` names the stages and outs to expect.

    Raises:
        NotPossible: the checkout has no such pipeline, or no lock of it.
    """
    missing = [name for name in ("dvc.yaml", "dvc.lock", "scripts") if not (root / name).exists()]
    if missing:
        raise NotPossible(
            f"no example in this checkout, missing: {', '.join(missing)}",
            "make it with: make run",
        )
    stages, outs = parse_lock((root / "dvc.lock").read_bytes())
    files = {path: (root / path).read_bytes() for path in sorted(set(_paths(root)) - outs)}
    return Pipeline(files, stages, outs)


def parse_lock(content: bytes) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names of the stages in a ``dvc.lock``, and the paths of all their outs.

    Raises:
        NotPossible: it is no lock, or an empty one.
    """
    try:
        document: Any = yaml.safe_load(content)
        stages: dict[str, Any] = dict(document["stages"])
        outs = {str(out["path"]) for stage in stages.values() for out in stage.get("outs", [])}
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise NotPossible("cannot parse: dvc.lock", "write it again: ml-assets run") from error
    if not stages or not outs:
        raise NotPossible("nothing to run in: dvc.lock", "write it again: ml-assets run")
    return frozenset(stages), frozenset(outs)


def _paths(root: Path) -> Iterator[str]:
    for name in _FILES:
        if (root / name).is_file():
            yield name
    for directory in _DIRECTORIES:
        for path in (root / directory).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path.relative_to(root).as_posix()
