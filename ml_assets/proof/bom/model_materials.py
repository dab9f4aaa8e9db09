"""The materials of a model: its inputs in ``dvc.lock``, compared with the files.

1. Each out and dep has to be as recorded when its stage ran; a changed file is an error.
2. Parameters are the recorded ones, with which the model was trained.
3. Code and data in Git, which no stage writes, are materials too.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ml_assets.project.model_outs import find_models, is_model_out
from ml_assets.project.settings.model_cards import ModelCardSettings, find_model_card
from ml_assets.project.settings.settings import Settings
from ml_assets.proof.bom.model_metrics import read_metrics
from resources.dvc.cache.content import Content
from resources.dvc.checkout.checkout import Checkout
from resources.dvc.graph.manifest import Dep, Stage
from resources.errors import ConfigurationError, UnavailableError
from security.bom.model_description import ComponentRole, ModelCard, ModelDescription, ModelMaterial
from security.policy.waiver import matches_path

_ELSEWHERE = "not on this machine"


def describe_model(
    settings: Settings, checkout: Checkout, location: str, provenance: tuple[str, ...] = ()
) -> ModelDescription:
    """Describe a model.

    Raises:
        ConfigurationError: it is not a model of this project, or a file is malformed.
        UnavailableError: a file is missing or changed.
    """
    models = find_models(checkout.manifest)
    if location not in models and not is_model_out(checkout, location):
        known = ", ".join(models) or "none; declare one in dvc.yaml: artifacts, type: model"
        raise ConfigurationError(f"not a model of this project: {location}", f"models: {known}")
    stated = find_model_card(settings.model_cards, location)
    materials = MaterialReader(checkout, stated, {*models, location})
    stages = materials.read_all(location)
    metrics, facts = read_metrics(checkout, materials, stated, location)
    found = materials.found
    model = found.pop(location)
    return ModelDescription(
        model=model,
        card=_card(stated),
        materials=tuple(found.values()),
        parameters=tuple(sorted(set(_parameters(checkout, stages)))),
        metrics=metrics,
        facts=facts,
        provenance=provenance,
    )


def _card(stated: ModelCardSettings) -> ModelCard:
    return ModelCard(
        task=stated.task or "",
        approach=stated.approach or "",
        algorithm=stated.algorithm or "",
        family=stated.family or "",
        inputs=stated.inputs,
        outputs=stated.outputs,
        users=stated.users,
        use_cases=stated.use_cases,
        limitations=stated.limitations,
        tradeoffs=stated.tradeoffs,
        risks=tuple(stated.risks.items()),
        licence=stated.license or "",
    )


class MaterialReader:
    """Reads a model and its inputs once each, and refuses changed files.

    Attributes:
        found: the materials, by location.
    """

    def __init__(
        self, checkout: Checkout, stated: ModelCardSettings, models: Collection[str]
    ) -> None:
        self._checkout = checkout
        self._manifest = checkout.manifest
        self._stated = stated
        self._models = frozenset(models)
        self.found: dict[str, ModelMaterial] = {}

    def read_all(self, location: str) -> list[Stage]:
        """Read an out and all of its inputs; return the stages that wrote them.

        Raises:
            UnavailableError: a file is missing or changed.
        """
        stages: dict[str, Stage] = {}
        waiting = [location]
        while waiting:
            out = waiting.pop()
            if out in self.found:
                continue
            stage = self._manifest.producer[out]
            made_from = () if stage.is_source else tuple(self._materials_of(stage))
            self.found[out] = self._read_out(stage, out, made_from)
            if not stage.is_source and stage.name not in stages:
                stages[stage.name] = stage
                waiting += [dep for dep in made_from if dep in self._manifest.producer]
        return list(stages.values())

    def _materials_of(self, stage: Stage) -> Iterator[str]:
        """Read the recorded deps of a stage, and yield their locations."""
        recorded = _recorded(self._checkout, stage).get("deps", ())
        fields = {str(one.get("path")): one for one in recorded}
        for dep in stage.deps:
            self._verify(stage, dep.location, fields.get(dep.path))
            yield from dep.producers
            if not _is_written(dep):  # 3
                yield dep.location
                if dep.location not in self.found:
                    self.found[dep.location] = self._read_input(dep.location)

    def _verify(self, stage: Stage, location: str, fields: Mapping[str, Any] | None) -> None:
        """Compare a file with its recorded hash."""  # 1
        if "://" in location:
            return
        content = self.content(location)
        if fields is None or fields.get("hash") != "md5" or fields.get("md5") != content.md5:
            raise UnavailableError(
                f"changed since {stage.name} ran: {location}",
                "run it again: ml-assets run",
            )

    def content(self, location: str) -> Content:
        """Return the content of a location, fetched if necessary.

        Raises:
            ResourceError: it is missing, and cannot be fetched.
        """
        self._checkout.supply(location)
        content = self._checkout.read(location)
        if content is None:
            raise UnavailableError(
                f"missing part of the bill: {location}",
                "fetch it: dvc pull; or create it: ml-assets run",
            )
        return content

    def verify_out(self, location: str) -> Content:
        """Return the content of an out that is as its stage wrote it.

        Raises:
            UnavailableError: it is missing or changed.
        """
        stage = self._manifest.producer[location]
        out = next(one for one in stage.outs if one.location == location)
        if stage.is_source:
            fields: Mapping[str, Any] | None = out.recorded
        else:
            recorded = _recorded(self._checkout, stage).get("outs", ())
            fields = next((one for one in recorded if one.get("path") == out.path), None)
        self._verify(stage, location, fields)
        return self.content(location)

    def _read_out(self, stage: Stage, location: str, made_from: tuple[str, ...]) -> ModelMaterial:
        out = next(one for one in stage.outs if one.location == location)
        role = ComponentRole.FILE
        if out.role == "out":
            role = ComponentRole.MODEL if location in self._models else ComponentRole.DATA
        named = [one for one in self._manifest.artifacts if one.path == location]
        source, revision = _source(self._checkout, stage)
        return ModelMaterial(
            role=role,
            location=location,
            **_read(self.verify_out(location), listing=role is ComponentRole.MODEL),
            stage=stage.name,
            source=source,
            revision=revision,
            description=next((one.desc for one in named if one.desc), out.desc) or "",
            names=tuple(one.name for one in named),
            labels=tuple({*out.labels, *(label for one in named for label in one.labels)}),
            made_from=made_from,
        )

    def _read_input(self, location: str) -> ModelMaterial:
        """Read an input that no stage writes."""
        named = {one.path for one in self._manifest.artifacts if one.type == "dataset"}
        patterns = self._stated.datasets
        is_data = location in named or any(matches_path(one, location) for one in patterns)
        if "://" in location:
            return ModelMaterial(ComponentRole.DATA, location, not_read=_ELSEWHERE)
        role = (
            ComponentRole.MODEL
            if location in self._models
            else ComponentRole.DATA if is_data else ComponentRole.FILE
        )
        return ModelMaterial(role, location, **_read(self.content(location), listing=False))


def _read(content: Content, *, listing: bool) -> dict[str, Any]:
    entries = content.entries or () if listing else ()
    files = tuple((entry.path, entry.sha256) for entry in entries)
    return {"sha256": content.sha256, "md5": content.md5, "files": files}


def _is_written(dep: Dep) -> bool:
    """Return whether a dep is an out, or is inside one."""
    return any(dep.location == out or dep.location.startswith(f"{out}/") for out in dep.producers)


def _recorded(checkout: Checkout, stage: Stage) -> Mapping[str, Any]:
    entry = checkout.recorded(stage)
    if entry is None:
        raise UnavailableError(
            f"stage never ran, so its inputs are unknown: {stage.name}",
            "run it: ml-assets run",
        )
    return entry


def _parameters(checkout: Checkout, stages: list[Stage]) -> Iterator[tuple[str, str]]:
    """Yield the recorded parameters of stages, by file and dotted name."""  # 2
    for stage in stages:
        locations = {one.path: one.location for one in stage.params}
        for path, values in _recorded(checkout, stage).get("params", {}).items():
            file = locations.get(path, path)
            yield from ((f"{file}:{name}", text) for name, text in _flatten(values, ""))


def _flatten(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flatten(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, value if isinstance(value, str) else json.dumps(value, default=str)


def _source(checkout: Checkout, stage: Stage) -> tuple[str, str]:
    """Return the import address of a ``.dvc`` file, and its revision."""
    if not stage.is_source or not stage.deps:
        return "", ""
    try:
        (dep,) = checkout.parse(stage.file)["deps"]
        repository = dep.get("repo")
        if repository:
            return str(repository["url"]), f"{repository['rev_lock']}:{dep['path']}"
        return str(dep["path"]), ""
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigurationError(
            f"malformed import: {stage.file}", f"fix it: {stage.file}"
        ) from error
