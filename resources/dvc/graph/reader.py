"""The manifest reader: reads the graph of a working tree or commit from DVC into a manifest.

Only this module loads a whole DVC index.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dvc.dependency import DatasetDependency, Dependency, ParamsDependency
from dvc.output import Output
from dvc.repo import Repo
from dvc.repo.reproduce import get_active_graph, plan_repro
from dvc.stage import PipelineStage
from dvc.stage import Stage as DvcStage

from resources.dvc.configuration.remote_settings import RemoteSettings
from resources.dvc.configuration.repository import Repository
from resources.dvc.graph.dvc_errors import dvc_errors
from resources.dvc.graph.manifest import Artifact, Dep, Layout, Manifest, Out, Params, Plot, Stage
from resources.dvc.graph.project_file import ProjectFile, read_contents
from resources.git.command import run_git

_NATIVE_LINKS = {"reflink", "copy"}


def read_manifest(root: Path, remotes: RemoteSettings | None, rev: str | None = None) -> Manifest:
    """Read the graph of the working tree, or of a commit without a checkout.

    Args:
        root: the DVC root: the directory of ``.dvc``.
        remotes: the settings of remotes of the protected branch; None if the checkout's count.
        rev: a Git revision; None reads the working tree.

    Raises:
        ConfigurationError: DVC cannot read the repository.
    """
    with dvc_errors(), Repository(root, remotes, rev=rev) as repo:
        return _Reader(repo, root).manifest()


def read_cache_directory(root: Path, remotes: RemoteSettings | None) -> Path:
    """Read the directory of the cache from the configuration of DVC.

    Raises:
        ConfigurationError: DVC cannot read its configuration.
    """
    with dvc_errors(), Repository(root, remotes) as repo:
        return Path(repo.cache.local_cache_dir)


class _Reader:
    """Reads one open DVC repository."""

    def __init__(self, repo: Repo, root: Path) -> None:
        self.repo = repo
        self.root = os.fspath(root)
        self.base = repo.root_dir

    def manifest(self) -> Manifest:
        graph = self.repo.index.graph
        active = get_active_graph(graph)
        order = plan_repro(active)
        files = self._project_files(order)
        return Manifest(
            stages=tuple(
                self._stage(stage, [self._name(s) for s in active.successors(stage)])
                for stage in order
            ),
            layout=self._layout(),
            artifacts=tuple(artifact for file in files for artifact in self._artifacts(file)),
            plots=tuple(plot for file in files for plot in self._plots(file)),
            metrics=tuple(self._beside(file, path) for file in files for path in file.metrics),
            params=tuple(self._beside(file, path) for file in files for path in file.params),
            sources=tuple(sorted(set(self._sources(files, order)))),
            pruned=tuple(sorted(self._pruned(order))),
        )

    def _project_files(self, order: list[DvcStage]) -> list[ProjectFile]:
        index = self.repo.index
        paths = {stage.path for stage in order if isinstance(stage, PipelineStage)}
        sections: list[dict[str, Any]] = []
        for section in (index._artifacts, index._plots, index._metrics, index._params):
            sections.append({os.path.join(self.base, path): at for path, at in section.items()})
            paths |= sections[-1].keys()
        return [
            ProjectFile(path, *(section.get(path, {}) for section in sections))
            for path in sorted(paths)
            if path.endswith(".yaml")
        ]

    def _relative(self, path: str) -> str:
        absolute = path if os.path.isabs(path) else os.path.join(self.base, path)
        inside = os.path.relpath(absolute, self.base)
        return absolute if inside.startswith("..") else Path(inside).as_posix()

    def _directory(self, file: ProjectFile) -> str:
        return os.path.dirname(os.path.join(self.base, self._relative(file.path)))

    def _beside(self, file: ProjectFile, path: str) -> str:
        return self._relative(os.path.normpath(os.path.join(self._directory(file), path)))

    def _name(self, stage: DvcStage) -> str:
        file = self._relative(stage.path)
        if not isinstance(stage, PipelineStage):
            return file
        return str(stage.name) if file == "dvc.yaml" else f"{file}:{stage.name}"

    def _stage(self, stage: DvcStage, upstream: list[str]) -> Stage:
        plain = [dep for dep in stage.deps if not isinstance(dep, ParamsDependency)]
        return Stage(
            name=self._name(stage),
            key=str(getattr(stage, "name", "") or ""),
            file=self._relative(stage.path),
            wdir=self._relative(stage.wdir),
            command=stage.cmd,
            deps=tuple(self._dep(dep) for dep in plain),
            params=tuple(self._params(stage)),
            outs=tuple(self._out(out, stage) for out in stage.outs),
            upstream=tuple(sorted(upstream)),
            frozen=bool(stage.frozen),
            always_changed=bool(stage.always_changed),
            desc=stage.desc,
            fallback=self._fallback_reason(stage),
        )

    def _params(self, stage: DvcStage) -> Iterator[Params]:
        """Yield the parameters files in the order of ``dvc.lock``, which names normalized paths."""
        for dep in sorted(stage.params, key=lambda dep: str(dep.def_path)):
            yield Params(dep.dumpd()[dep.PARAM_PATH], self._location(dep), tuple(dep.params))

    def _location(self, item: Output) -> str:
        if item.protocol != "local" or isinstance(item, DatasetDependency) or item.fs_path is None:
            return str(item.def_path)
        return self._relative(item.fs_path)

    def _dep(self, dep: Dependency) -> Dep:
        location = self._location(dep)
        producers: list[Output] = []
        if dep.protocol == "local" and not isinstance(dep, DatasetDependency):
            trie = self.repo.index.outs_trie
            key = dep.fs.parts(dep.fs_path)
            producers = [node.value for node in trie.prefixes(key)]
            if not producers and trie.has_subtrie(key):
                producers = list(trie.values(prefix=key))
        return Dep(dep.def_path, location, tuple(self._location(out) for out in producers))

    def _out(self, out: Output, stage: DvcStage) -> Out:
        recorded = None
        if stage.cmd is None and out.hash_info:
            recorded = _recorded(out)
        return Out(
            path=out.def_path,
            location=self._location(out),
            role="metric" if out.metric else "plot" if out.plot else "out",
            cache=bool(out.use_cache),
            persist=bool(out.persist),
            desc=out.annot.desc,
            type=out.annot.type,
            labels=tuple(out.annot.labels),
            plot=dict(out.plot) if isinstance(out.plot, dict) else {},
            recorded=recorded,
        )

    def _fallback_reason(self, stage: DvcStage) -> str | None:
        """Return why a stage needs DVC's own code; None if it does not."""
        if stage.is_import:
            return "an import"
        if not _NATIVE_LINKS >= set(self.repo.cache.local.cache_types):
            return "linked cache"
        if self.repo.config["cache"].get("shared"):
            return "shared cache"
        for item in (*stage.deps, *stage.outs):
            if isinstance(item, DatasetDependency) or item.protocol != "local":
                return f"not a local file: {item.def_path}"
            if not stage.cmd and item.hash_name != "md5":
                return f"recorded by DVC 2: {item.def_path}"
            if item in stage.outs and not item.is_in_repo:
                return f"outside of the repository: {item.def_path}"
        return None

    def _artifacts(self, file: ProjectFile) -> Iterator[Artifact]:
        for name, entry in file.artifacts.items():
            values = entry or {}
            yield Artifact(
                name=name,
                path=self._beside(file, values["path"]),
                type=values.get("type"),
                desc=values.get("desc"),
                labels=tuple(values.get("labels") or ()),
            )

    def _plots(self, file: ProjectFile) -> Iterator[Plot]:
        for entry in file.plots:
            items = entry.items() if isinstance(entry, dict) else [(entry, {})]
            for name, properties in items:
                y = (properties or {}).get("y")
                paths = list(y) if isinstance(y, dict) else [name]
                sources = tuple(self._beside(file, path) for path in paths)
                yield Plot(id=str(name), sources=sources, properties=dict(properties or {}))

    def _sources(self, files: list[ProjectFile], order: list[DvcStage]) -> Iterator[str]:
        """Yield the variable files of templates, and the configuration files of DVC."""
        for file in files:
            directory = self._directory(file)
            yield self._relative(posixpath.join(directory, "params.yaml"))
            contents = read_contents(self.repo, file.path)
            yield from self._variables(contents, directory)
            definitions = contents.get("stages", {}).values()
            local = [d for d in (d.get("do", d) for d in definitions) if d.get("vars")]
            for wdir in {stage.wdir for stage in order if local and stage.path == file.path}:
                for definition in local:
                    yield from self._variables(definition, wdir)
        for name in ("config", "config.local"):
            yield f".dvc/{name}"
        yield from (os.path.join(place, "config") for place in _config_places())

    def _variables(self, contents: dict[str, Any], directory: str) -> Iterator[str]:
        for entry in contents.get("vars") or []:
            if isinstance(entry, str):
                yield self._relative(os.path.normpath(os.path.join(directory, entry.split(":")[0])))

    def _pruned(self, order: list[DvcStage]) -> Iterator[str]:
        for stage in order:
            yield from (self._location(out) for out in stage.outs if out.is_in_repo)
        if not os.path.isdir(self.root) or type(self.repo.scm).__name__ == "NoSCM":
            return
        listing = run_git(
            Path(self.root),
            "ls-files",
            "-z",
            "--others",
            "--ignored",
            "--exclude-standard",
            "--directory",
        )
        for name in os.fsdecode(listing.stdout).split("\0"):
            if name.endswith("/"):
                yield name.rstrip("/")

    def _layout(self) -> Layout:
        config = self.repo.config
        local = self.repo.cache.local
        return Layout(
            cache_dir=str(self.repo.cache.local_cache_dir),
            links=tuple(local.cache_types),
            shared=bool(config["cache"].get("shared")),
            scm=type(self.repo.scm).__name__ != "NoSCM",
            autostage=bool(config["core"].get("autostage")),
            ignores=self._has_ignore_patterns(),
            remote=bool(config["core"].get("remote")),
        )

    def _has_ignore_patterns(self) -> bool:
        for directory, folders, names in self.repo.fs.walk(self.base):
            folders[:] = [f for f in folders if f not in (".git", ".dvc", ".venv")]
            if ".dvcignore" in names:
                path = posixpath.join(directory, ".dvcignore")
                with self.repo.fs.open(path, encoding="utf-8") as stream:
                    if any(line.strip() and not line.startswith("#") for line in stream):
                        return True
        return False


def _recorded(out: Output) -> dict[str, Any]:
    """Return the recorded fields of a ``.dvc`` file in the form of ``dvc.lock``."""
    meta = out.meta
    fields = {
        "size": meta.size,
        "nfiles": meta.nfiles,
        "isexec": meta.isexec or None,
        "remote": out.remote,
    }
    known = {name: value for name, value in fields.items() if value is not None}
    return {"hash": str(out.hash_name), "md5": out.hash_info.value, **known}


def _config_places() -> list[str]:
    from dvc.dirs import global_config_dir, system_config_dir

    return [global_config_dir(), system_config_dir()]
