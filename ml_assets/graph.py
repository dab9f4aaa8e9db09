"""The graph: a project's assets described, from a checkout and its settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ml_assets.project import Project
from ml_assets.translator import Asset, Translator
from resources.dvc.checkout import Checkout
from resources.dvc.inputs import find_values
from resources.dvc.manifest import Stage
from resources.git import read_remote_url


def describe_assets(project: Project, checkout: Checkout) -> list[Asset]:
    """Describe all assets of a project's working tree, in the order of its stages.

    Raises:
        ConfigurationError: the settings or a parameters file cannot be read.
    """

    def identify(location: str) -> str | None:
        if "://" in location:
            return None
        content = checkout.read(location)
        return content.md5 if content is not None else None

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
