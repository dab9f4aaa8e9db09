"""The graph: a real repository's assets, described from its working tree."""

from pathlib import Path

import pytest

from ml_assets.graph.description import describe_assets
from ml_assets.graph.translator import Asset
from ml_assets.project.project import Project
from tests.unit.resources.dvc_project import DvcProject

pytestmark = pytest.mark.process


def build(repository: DvcProject) -> None:
    repository.write("raw.txt", "1\n")
    repository.write("code.py", "print()\n")
    repository.write("params.yaml", "rate: 1\nother: 2\n")
    repository.write("ml-assets.toml", '[owners]\n"clean.txt" = ["team:ml"]\n')
    repository.add("raw.txt")
    repository.stages(
        {
            "clean": {
                "cmd": "cp raw.txt clean.txt",
                "deps": ["raw.txt", "code.py", "missing.txt"],
                "params": ["rate"],
                "outs": ["clean.txt"],
            }
        }
    )


def describe(repository: DvcProject) -> dict[str, Asset]:
    project = Project(repository.root)
    return {asset.name: asset for asset in describe_assets(project, project.open_checkout())}


def test_assets_are_described_from_the_repository_and_its_settings(repository: DvcProject) -> None:
    build(repository)
    repository.git("remote", "add", "origin", "https://user:secret@host.invalid/x")

    assets = describe(repository)

    assert list(assets) == ["main/raw.txt", "main/clean.txt"]
    clean = assets["main/clean.txt"]
    assert clean.deps == (("main", "raw.txt"),)
    assert clean.owners == ("team:ml",)
    assert clean.metadata["source"] == "https://host.invalid/x"


def test_code_version_follows_code_and_parameters_and_not_data(repository: DvcProject) -> None:
    build(repository)

    def version() -> str:
        return describe(repository)["main/clean.txt"].code_version

    first = version()
    repository.write("raw.txt", "2\n")
    repository.write("params.yaml", "rate: 1\nother: 3\n")
    assert version() == first

    versions = {first}
    for path, text in (
        ("code.py", "print(1)\n"),
        ("params.yaml", "rate: 2\n"),
        ("missing.txt", "there\n"),
    ):
        repository.write(path, text)
        versions.add(version())
    assert len(versions) == 4


def test_missing_parameters_do_not_keep_the_graph_from_being_shown(repository: DvcProject) -> None:
    build(repository)
    (repository.root / "params.yaml").unlink()

    assert "main/clean.txt" in describe(repository)


def test_project_outside_of_git_has_a_graph(tmp_path: Path) -> None:
    from dvc.repo import Repo

    Repo.init(str(tmp_path), no_scm=True).close()
    project = DvcProject(tmp_path)
    project.stages({"one": {"cmd": "echo 1 > one.txt", "outs": ["one.txt"]}})

    assert list(describe(project)) == ["detached/one.txt"]
