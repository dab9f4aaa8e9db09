"""The translator: stages and outs of a manifest as descriptions of Dagster assets.

It imports neither dagster nor dvc, so that a plan can name assets quickly.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from resources.dvc.graph.manifest import Artifact, Manifest, Out, Stage

Key = tuple[str, ...]

#: The data version of a branch's source at every commit, so that a commit makes an asset stale only
#: through the asset's own code version, which covers the code that its stage reads. Dagster gives
#: the same version to an asset that no run has materialized.
SOURCE_VERSION = "INITIAL"

#: Returns DVC's md5 of a location that no stage writes; None if nothing exists there.
Identify = Callable[[str], str | None]

#: Returns a stage's readable parameters, by file.
ReadParams = Callable[[Stage], Mapping[str, Mapping[str, Any]]]

_FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".json": "json",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".onnx": "onnx",
    ".pkl": "pickle",
    ".joblib": "pickle",
    ".npy": "numpy",
    ".npz": "numpy",
    ".png": "image",
    ".jpg": "image",
    ".svg": "image",
    ".md": "markdown",
    ".html": "html",
    ".db": "sqlite",
}

_NO_WORD = re.compile(r"[^A-Za-z0-9_]")
_NO_KIND = re.compile(r"[^A-Za-z0-9_.-]")


@dataclass(frozen=True)
class Asset:
    """One out of a stage, or a stage without outs, as an asset.

    Attributes:
        stage: the name of the stage that writes the out.
        location: the location of the out; None for a stage without outs.
        deps: the keys of the assets that the stage reads.
        code_version: a digest of the command, the parameters and the code deps.
        metadata: plain values that no run changes.
    """

    key: Key
    stage: str
    location: str | None
    deps: tuple[Key, ...]
    group: str
    kinds: frozenset[str]
    owners: tuple[str, ...]
    description: str
    code_version: str
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def state(self, data_version: str) -> str:
        """Return the state that a current record of the asset has."""
        return f"{data_version} {self.code_version}"

    @property
    def name(self) -> str:
        """The key as text, as in selections."""
        return "/".join(self.key)


def asset_key(branch: str, location: str) -> Key:
    """Return the key of a location on a branch: ``[branch, *path]``."""
    parts = [part for part in location.split("/") if part not in ("", ".")]
    return (*branch.split("/"), *(["/"] if location.startswith("/") else []), *parts)


def source_key(branch: str, manifest: Manifest) -> Key:
    """Return the key of a branch's source: ``[branch, "source"]`` unless an out has that name."""
    name = "source"
    while name in manifest.producer:
        name += ".tree"
    return asset_key(branch, name)


def signed_key(branch: str, location: str) -> Key:
    """Return the key of a model's signature: ``[branch, "signed", *path]``."""
    return asset_key(branch, f"signed/{location}")


class Translator:
    """Describe every asset of one manifest on one branch.

    Args:
        identify: identifies code deps, for the code version.
        owners: returns the owners of a location.
        source_url: URL of the repository, or None.
    """

    def __init__(
        self,
        manifest: Manifest,
        branch: str,
        *,
        identify: Identify,
        read_params: ReadParams,
        owners: Callable[[str], tuple[str, ...]] = lambda _: (),
        source_url: str | None = None,
    ) -> None:
        self._manifest = manifest
        self._branch = branch
        self._identify = identify
        self._read_params = read_params
        self._owners = owners
        self._source_url = source_url
        self._artifacts = {artifact.path: artifact for artifact in manifest.artifacts}

    def describe(self) -> list[Asset]:
        """Describe all assets, in the order of the manifest's stages."""
        return [asset for stage in self._manifest.stages for asset in self._describe(stage)]

    def _describe(self, stage: Stage) -> list[Asset]:
        version = self._code_version(stage)
        deps = self._deps(stage)
        group = self._group(stage)
        if stage.outs:
            return [self._asset(stage, out, deps, version, group) for out in stage.outs]
        return [
            Asset(
                key=self._stage_key(stage),
                stage=stage.name,
                location=None,
                deps=deps,
                group=group,
                kinds=frozenset({"dvc"}),
                owners=self._owners(stage.name),
                description=stage.desc or f"Stage `{stage.name}`, which writes no outs.",
                code_version=version,
                metadata=self._metadata(stage, None),
            )
        ]

    def _asset(
        self, stage: Stage, out: Out, deps: tuple[Key, ...], version: str, group: str
    ) -> Asset:
        artifact = self._artifacts.get(out.location)
        return Asset(
            key=asset_key(self._branch, out.location),
            stage=stage.name,
            location=out.location,
            deps=deps,
            group=group,
            kinds=_kinds_of(stage, out, artifact, self._role(out)),
            owners=self._owners(out.location),
            description=_description_of(stage, out, artifact),
            code_version=version,
            metadata=self._metadata(stage, out),
        )

    def _stage_key(self, stage: Stage) -> Key:
        """Return the key of a stage without outs: its name as a file beside its dvc.yaml."""
        location = str(PurePosixPath(stage.file).parent / stage.key)
        while location in self._manifest.producer:
            location += ".stage"
        return asset_key(self._branch, location)

    def _group(self, stage: Stage) -> str:
        """Return the stage's name, so that collapsed groups show DVC's graph of stages.

        The items of a ``foreach`` or ``matrix`` form one group, and all ``.dvc`` files another.
        """
        name = posixpath.join(posixpath.dirname(stage.file), stage.key.partition("@")[0])
        return _NO_WORD.sub("_", f"{self._branch}_{'sources' if stage.is_source else name}")

    def _role(self, out: Out) -> str:
        """Return an out's role; a source of a top-level plot is a plot."""
        if out.role == "out" and any(
            source == out.location or source.startswith(f"{out.location}/")
            for plot in self._manifest.plots
            for source in plot.sources
        ):
            return "plot"
        return out.role

    def _deps(self, stage: Stage) -> tuple[Key, ...]:
        produced = [location for dep in stage.deps for location in dep.producers]
        return tuple(dict.fromkeys(asset_key(self._branch, location) for location in produced))

    def _code_version(self, stage: Stage) -> str:
        """Digest the inputs of a stage other than data: command, code and parameters."""
        code = {dep.path: self._identify(dep.location) for dep in stage.deps if not dep.producers}
        parts = {"cmd": stage.command, "code": code, "params": self._read_params(stage)}
        text = json.dumps(_with_text_keys(parts), sort_keys=True, default=str)
        return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]

    def _metadata(self, stage: Stage, out: Out | None) -> dict[str, Any]:
        command = "\n".join(stage.commands)
        values: dict[str, Any] = {"dvc/stage": stage.name, "dvc/file": stage.file}
        if command:
            values["dvc/command"] = command
        if out is not None:
            values["dvc/path"] = out.location
            artifact = self._artifacts.get(out.location)
            labels = [*out.labels, *(artifact.labels if artifact else ())]
            if artifact is not None:
                values["dvc/artifact"] = artifact.name
            if labels:
                values["dvc/labels"] = ", ".join(labels)
        if stage.frozen and not stage.is_source:
            values["dvc/frozen"] = True
        if self._source_url:
            values["source"] = self._source_url
        return values


def _with_text_keys(value: Any) -> Any:
    """Return a value with text keys, in which the keys 1 and "1" stay different."""
    if isinstance(value, Mapping):
        return {
            key if isinstance(key, str) else f"{type(key).__name__} {key!r}": _with_text_keys(item)
            for key, item in value.items()
        }
    return [_with_text_keys(item) for item in value] if isinstance(value, list) else value


def _kinds_of(stage: Stage, out: Out, artifact: Artifact | None, role: str) -> frozenset[str]:
    """Return at most three kinds, the limit of Dagster's UI."""
    kind = (
        (artifact.type if artifact else None) or out.type or ("dataset" if stage.is_source else "")
    )
    if not kind and role != "out":
        kind = role
    suffix = _FORMATS.get(posixpath.splitext(out.location)[1].lower())
    return frozenset(_kind_name(part) for part in ("dvc", kind, suffix) if part)


def _kind_name(text: str) -> str:
    """Return a type as a kind that Dagster accepts: the key of a tag."""
    return _NO_KIND.sub("_", text)[:63]


def _description_of(stage: Stage, out: Out, artifact: Artifact | None) -> str:
    texts = [artifact.desc if artifact else None, out.desc, stage.desc]
    found = next((text for text in texts if text), None)
    if found:
        return found
    origin = f"`{stage.file}`" if stage.is_source else f"stage `{stage.name}`"
    return f"`{out.location}`, written by {origin}."


def group_by_stage(assets: Sequence[Asset]) -> dict[str, list[Asset]]:
    """Return the assets of each stage."""
    grouped: dict[str, list[Asset]] = {}
    for asset in assets:
        grouped.setdefault(asset.stage, []).append(asset)
    return grouped
