"""The manifest: a DVC repository's resolved graph as values, readable without importing dvc."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Self, TypeVar

#: Raised whenever the shape below changes, so that an older cached manifest is read anew.
SCHEMA = 9

_T = TypeVar("_T")

Json = Any  # str, int, float, bool, None, or lists and dicts of these


@dataclass(frozen=True)
class Dep:
    """Something that a stage reads.

    Attributes:
        path: as ``dvc.lock`` records it, relative to the stage's working directory.
        location: relative to the DVC root (POSIX), or absolute, or a URL.
        producers: locations of the outs that it is, lies in, or contains.
    """

    path: str
    location: str
    producers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Params:
    """Values that a stage reads from one parameters file; no keys means the whole file."""

    path: str
    location: str
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Out:
    """Something that a stage writes.

    Attributes:
        path: as ``dvc.lock`` records it, relative to the stage's working directory.
        location: relative to the DVC root (POSIX), or absolute, or a URL.
        role: ``out``, ``metric`` or ``plot``.
        cache: DVC keeps it in its cache and Git ignores it.
        plot: the plot's properties (template, x, y, ...), when it has any.
        recorded: what the ``.dvc`` file itself records of it, as ``dvc.lock`` would; else None.
    """

    path: str
    location: str
    role: str = "out"
    cache: bool = True
    persist: bool = False
    desc: str | None = None
    type: str | None = None
    labels: tuple[str, ...] = ()
    plot: dict[str, Json] = field(default_factory=dict)
    recorded: dict[str, Json] | None = None


@dataclass(frozen=True)
class Stage:
    """One resolved stage, or one ``.dvc`` file.

    Attributes:
        name: unique in the repository: DVC's address as seen from the DVC root.
        key: its name inside its file; empty for a ``.dvc`` file.
        file: the ``dvc.yaml`` or ``.dvc`` file, relative to the DVC root.
        command: as resolved: one string, a list, or None for a ``.dvc`` file.
        upstream: names of the stages that must be done before it.
        fallback: why DVC's own code must judge and run it, or None.
    """

    name: str
    key: str
    file: str
    wdir: str
    command: str | list[str] | None
    deps: tuple[Dep, ...] = ()
    params: tuple[Params, ...] = ()
    outs: tuple[Out, ...] = ()
    upstream: tuple[str, ...] = ()
    frozen: bool = False
    always_changed: bool = False
    desc: str | None = None
    fallback: str | None = None

    @property
    def is_source(self) -> bool:
        """Whether it is a ``.dvc`` file: data that was added or imported, not computed."""
        return self.command is None

    @property
    def is_callback(self) -> bool:
        """Whether it has neither deps nor outs, so that it runs every time."""
        return self.command is not None and not (self.deps or self.params or self.outs)

    @property
    def commands(self) -> list[str]:
        """Its commands one by one, as DVC splits them."""
        if self.command is None:
            return []
        return self.command.splitlines() if isinstance(self.command, str) else self.command

    @property
    def lock_path(self) -> str:
        """The lock file that records it, relative to the DVC root."""
        return self.file.removesuffix(".yaml") + ".lock"


@dataclass(frozen=True)
class Artifact:
    """An entry of ``artifacts:``, with its path relative to the DVC root."""

    name: str
    path: str
    type: str | None = None
    desc: str | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plot:
    """An entry of the top-level ``plots:``; its data lie in ``sources`` (relative to the root)."""

    id: str
    sources: tuple[str, ...]
    properties: dict[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class Layout:
    """Where and how this repository keeps its data.

    Attributes:
        cache_dir: the local cache, absolute.
        links: kinds of links between cache and working tree, in order of preference.
        shared: the cache is shared by a group of users.
        scm: the repository is tracked by Git.
        autostage: DVC adds what it writes to Git's index.
        ignores: ``.dvcignore`` holds patterns, so that DVC must say what a directory contains.
        remote: a default remote is configured.
    """

    cache_dir: str
    links: tuple[str, ...] = ("reflink", "copy")
    shared: bool = False
    scm: bool = True
    autostage: bool = False
    ignores: bool = False
    remote: bool = False


@dataclass(frozen=True)
class Manifest:
    """A repository's whole graph, its stages in the order in which ``dvc repro -P`` takes them.

    Attributes:
        sources: files outside the walk whose content went into it (parameters, configuration).
        pruned: directories that DVC does not search for stages, relative to the DVC root.
    """

    stages: tuple[Stage, ...]
    layout: Layout
    artifacts: tuple[Artifact, ...] = ()
    plots: tuple[Plot, ...] = ()
    metrics: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    pruned: tuple[str, ...] = ()

    @cached_property
    def by_name(self) -> dict[str, Stage]:
        """The stages by their names."""
        return {stage.name: stage for stage in self.stages}

    @cached_property
    def producer(self) -> dict[str, Stage]:
        """The stage that writes each location."""
        return {out.location: stage for stage in self.stages for out in stage.outs}

    @cached_property
    def inside(self) -> dict[str, str]:
        """The directory among the outs that each dep lies inside of, if it does."""
        return {
            dep.location: out
            for stage in self.stages
            for dep in stage.deps
            for out in dep.producers
            if dep.location.startswith(f"{out}/")
        }

    def to_json(self) -> str:
        """Serialize; ``from_json`` gives an equal manifest back."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read what ``to_json`` wrote.

        Raises:
            ValueError: the text is not a manifest of this version.
        """
        document = json.loads(text)
        if not isinstance(document, dict) or document.pop("schema", None) != SCHEMA:
            raise ValueError("not a manifest of this version")
        try:
            document["stages"] = tuple(_stage(stage) for stage in document["stages"])
            document["layout"] = _build(Layout, document["layout"])
            document["artifacts"] = tuple(_build(Artifact, a) for a in document["artifacts"])
            document["plots"] = tuple(_build(Plot, plot) for plot in document["plots"])
            return _build(cls, document)
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a manifest: {error}") from error


def _build(cls: type[_T], values: dict[str, Any]) -> _T:
    return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


def _stage(values: dict[str, Any]) -> Stage:
    command = values.pop("command")
    values["deps"] = tuple(_build(Dep, dep) for dep in values["deps"])
    values["params"] = tuple(_build(Params, params) for params in values["params"])
    values["outs"] = tuple(_build(Out, out) for out in values["outs"])
    values["upstream"] = tuple(values["upstream"])
    return Stage(command=command, **values)
