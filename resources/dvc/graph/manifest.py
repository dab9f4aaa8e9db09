"""The manifest: the resolved graph of a DVC repository as values, without an import of dvc."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Self, TypeVar

#: Increased with each change of the values below, which invalidates cached manifests.
SCHEMA = 11

#: Reasons for DVC's own code (``Stage.fallback``) that are only about the placement of outs.
LINKED_CACHE = "linked cache"
SHARED_CACHE = "shared cache"
PLACEMENTS = frozenset({LINKED_CACHE, SHARED_CACHE})

_T = TypeVar("_T")

Json = Any  # str, int, float, bool, None, or lists and dicts of these


@dataclass(frozen=True)
class Dep:
    """A file, directory or URL that a stage reads.

    Attributes:
        path: as in ``dvc.lock``, relative to the working directory of the stage.
        location: relative to the DVC root (POSIX), or absolute, or a URL.
        producers: locations of the outs that equal, contain or lie below the dep.
    """

    path: str
    location: str
    producers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Params:
    """Values that a stage reads from one parameters file; without keys, the whole file.

    Attributes:
        path: as in ``dvc.lock``, relative to the working directory of the stage.
        location: relative to the DVC root (POSIX), or absolute.
    """

    path: str
    location: str
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Out:
    """A file, directory or URL that a stage writes.

    Attributes:
        path: as in ``dvc.lock``, relative to the working directory of the stage.
        location: relative to the DVC root (POSIX), or absolute, or a URL.
        role: ``out``, ``metric`` or ``plot``.
        cache: DVC stores the out in its cache, and Git ignores it.
        plot: the properties of the plot (template, x, y, ...), if any.
        recorded: the fields that a ``.dvc`` file records, in the form of ``dvc.lock``; else None.
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
        name: DVC's address from the DVC root, unique in the repository.
        key: the name inside the file; empty for a ``.dvc`` file.
        file: the ``dvc.yaml`` or ``.dvc`` file, relative to the DVC root.
        command: the resolved command: one string, a list, or None for a ``.dvc`` file.
        upstream: names of the stages that must finish first.
        fallback: why the stage needs DVC's own code; None if it does not.
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
    def is_placed_by_dvc(self) -> bool:
        """Whether the stage needs DVC's own code only to put its outs into place."""
        return self.fallback in PLACEMENTS

    @property
    def is_source(self) -> bool:
        """Whether the stage is a ``.dvc`` file: added or imported data without a command."""
        return self.command is None

    @property
    def is_callback(self) -> bool:
        """Whether the stage has neither deps nor outs, so that it runs every time."""
        return self.command is not None and not (self.deps or self.params or self.outs)

    @property
    def commands(self) -> list[str]:
        """The commands, split as DVC does."""
        if self.command is None:
            return []
        return self.command.splitlines() if isinstance(self.command, str) else self.command

    @property
    def lock_path(self) -> str:
        """The lock file of the stage, relative to the DVC root."""
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
    """An entry of the top-level ``plots:`` with its data files (relative to the DVC root)."""

    id: str
    sources: tuple[str, ...]
    properties: dict[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class Layout:
    """The storage settings of a repository.

    Attributes:
        cache_dir: the local cache, absolute.
        links: kinds of links between cache and working tree, in order of preference.
        shared: a group of users shares the cache.
        scm: Git tracks the repository.
        autostage: DVC adds the files that it writes to the index of Git.
        ignores: ``.dvcignore`` has patterns, so DVC must list directories.
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
    """The graph of a repository, with its stages in the order of ``dvc repro -P``.

    Attributes:
        metrics: the files of the sections ``metrics``.
        params: the files of the sections ``params``.
        sources: other files that determine the graph (parameters, configuration).
        pruned: directories that DVC does not search for stages, relative to the DVC root.
    """

    stages: tuple[Stage, ...]
    layout: Layout
    artifacts: tuple[Artifact, ...] = ()
    plots: tuple[Plot, ...] = ()
    metrics: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    pruned: tuple[str, ...] = ()

    @cached_property
    def by_name(self) -> dict[str, Stage]:
        """The stages by name."""
        return {stage.name: stage for stage in self.stages}

    @cached_property
    def producer(self) -> dict[str, Stage]:
        """The producing stage by location of the out."""
        return {out.location: stage for stage in self.stages for out in stage.outs}

    @cached_property
    def inside(self) -> dict[str, str]:
        """The enclosing directory out by location, for deps inside a directory out."""
        return {
            dep.location: out
            for stage in self.stages
            for dep in stage.deps
            for out in dep.producers
            if dep.location.startswith(f"{out}/")
        }

    def to_json(self) -> str:
        """Serialize the manifest for ``from_json``."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Parse the text of ``to_json``.

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
