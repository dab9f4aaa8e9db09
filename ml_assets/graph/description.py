"""The descriptions of a project's assets, from a checkout and its settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ml_assets.graph.translator import Asset, Translator
from ml_assets.project.project import Project
from resources.dvc.checkout.checkout import Checkout
from resources.dvc.graph.manifest import Stage
from resources.dvc.staleness.inputs import find_values
from resources.errors import ConfigurationError, StageError
from resources.git.repository import read_remote_url


def describe_assets(project: Project, checkout: Checkout) -> list[Asset]:
    """Describe all assets of a project's working tree, in the order of its stages.

    Raises:
        ConfigurationError: the settings or a parameters file cannot be read, or no stage writes
            the model of the performance test, so that its gate would never run.
    """
    model = project.settings.performance.model
    if model is not None and model not in checkout.manifest.producer:
        raise ConfigurationError(
            f"no stage writes the model of the performance test: {model}",
            "set performance.model to the path of an out",
        )

    def identify(location: str) -> str | None:
        if "://" in location:
            return None
        try:
            known = checkout.identify(location)
        except StageError:
            return "unreadable"  # the run fails the stages that read it, with the cause
        return known.md5 if known is not None else None

    def read_params(stage: Stage) -> Mapping[str, Mapping[str, Any]]:
        return {params.path: find_values(checkout, params) or {} for params in stage.params}

    return Translator(
        checkout.manifest,
        project.branch,
        identify=identify,
        read_params=read_params,
        owners=project.settings.owners_of,
        source_url=read_remote_url(project.root) if project.head.commit else None,
    ).describe()
