"""The subjects: which outs are models, whatever they are called, and which are data."""

import pytest

from ml_assets.project.model_outs import find_data, find_models, find_named_data, find_named_models
from resources.dvc.graph.manifest import Manifest
from tests.unit.resources.dvc_project import DvcProject

pytestmark = pytest.mark.process

STAGES = {
    "train": {
        "cmd": "true",
        "outs": ["models/a.onnx", "data/b.csv", "data/c.PKL.gz", "declared", "data/d.csv"],
        "metrics": ["metrics.json"],
        "plots": ["plots.csv"],
    }
}
ARTIFACTS = {
    "best": {"path": "declared", "type": "model"},
    "set": {"path": "data/d.csv", "type": "dataset"},
}


@pytest.fixture
def manifest(repository: DvcProject) -> Manifest:
    repository.stages(STAGES, artifacts=ARTIFACTS)
    return repository.manifest()


def test_model_is_what_is_called_so_or_looks_like_one(manifest: Manifest) -> None:
    assert set(find_models(manifest)) == {"models/a.onnx", "data/c.PKL.gz", "declared"}
    assert find_named_models(manifest) == ("declared",)


def test_data_is_every_other_out_but_metrics_and_plots(manifest: Manifest) -> None:
    assert set(find_data(manifest)) == {"data/b.csv", "data/d.csv"}


def test_named_data_is_what_the_repository_names_or_expects_something_of(
    manifest: Manifest,
) -> None:
    assert find_named_data(manifest, []) == ("data/d.csv",)
    assert set(find_named_data(manifest, ["data/*.csv"])) == {"data/b.csv", "data/d.csv"}
    assert find_named_data(manifest, ["*.csv"]) == ("data/d.csv",), "a star stays in its directory"
