"""A project file: variables are found however their key is written."""

from pathlib import Path

import pytest
from dvc.repo import Repo

from resources.dvc.graph.project_file import read_contents
from resources.dvc.graph.reader import read_manifest
from tests.unit.resources.dvc_project import DvcProject

pytestmark = pytest.mark.process


@pytest.fixture
def project(empty_project: DvcProject, tmp_path: Path) -> DvcProject:
    """A repository with a file of variables."""
    copy = empty_project.copy(tmp_path / "project")
    copy.write("more.yaml", "word: hello\n")
    return copy


@pytest.mark.parametrize("key", ["vars", "'vars'", '"v\\x61rs"', '"\\u0076ars"'])
def test_file_of_variables_is_a_source_however_its_key_is_written(
    project: DvcProject, key: str
) -> None:
    project.write("dvc.yaml", f"{key}: [more.yaml]\nstages:\n  one:\n    cmd: echo ${{word}}\n")

    manifest = read_manifest(project.root, None)

    assert list(manifest.stages[0].commands) == ["echo hello"]
    assert "more.yaml" in manifest.sources


def test_file_without_variables_is_not_parsed_again(project: DvcProject) -> None:
    project.write("dvc.yaml", "stages:\n  one:\n    cmd: echo 1\n")

    with Repo(str(project.root)) as repo:
        assert read_contents(repo, str(project.root / "dvc.yaml")) == {}


def test_sections_of_files_without_stages_are_read(project: DvcProject) -> None:
    project.write("dvc.yaml", "stages:\n  one:\n    cmd: echo 1\n")
    project.write("sub/dvc.yaml", "metrics: [m.json]\nartifacts:\n  a:\n    path: a.bin\n")

    manifest = read_manifest(project.root, None)

    assert manifest.metrics == ("sub/m.json",)
    assert [artifact.path for artifact in manifest.artifacts] == ["sub/a.bin"]
