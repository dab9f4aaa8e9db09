"""Places in which DVC sees other files than a directory listing: sub-projects and links."""

import pytest

from .comparison import Feature, Pair, assert_equals_dvc_repro
from .repository import Repository


def sub_projects(repository: Repository) -> None:
    """Deps in a DVC project below the root, and directories that contain one."""
    repository.write("sub/code/c.py", "1\n")
    repository.write("sub/code/deep/d.py", "2\n")
    repository.write("top/inner/x/e", "3\n")
    repository.write("top/f", "4\n")
    for place in ("sub", "top/inner"):
        repository.write(f"{place}/.dvc/config", "")
    reads = ("sub/code", "sub/code/c.py", "sub/code/deep", "sub", "top")
    repository.stages(
        {
            f"s{n}": {"cmd": f"echo {n} > s{n}", "deps": [dep], "outs": [f"s{n}"]}
            for n, dep in enumerate(reads)
        }
    )


def edit_in_sub_project(repository: Repository) -> None:
    """Change files of a sub-project, of which DVC sees the one that is named."""
    repository.write("sub/code/c.py", "11\n")
    repository.write("sub/code/deep/d.py", "22\n")


def linked_directory(repository: Repository) -> None:
    """Outs below a directory that is a link inside of the repository."""
    repository.write("store/.keep", "")
    (repository.project / "data").symlink_to("store")
    repository.stages(
        {
            "a": {"cmd": "echo 1 > data/x", "outs": ["data/x"]},
            "b": {"cmd": "echo 1 > b", "outs": ["b"]},
            "c": {"cmd": "cat data/x > store/y", "deps": ["data/x"], "outs": ["store/y"]},
        }
    )


def change_linked(repository: Repository) -> None:
    """Change the command of the stage that writes behind the link."""
    repository.edit("dvc.yaml", "echo 1 > data/x", "echo 2 > data/x")


FEATURES = (
    Feature("sub-projects", sub_projects, (edit_in_sub_project,)),
    Feature("linked-directory", linked_directory, (change_linked,)),
)


@pytest.mark.parametrize("feature", FEATURES, ids=str)
def test_places_are_seen_as_by_dvc_repro(feature: Feature, pair: Pair) -> None:
    assert_equals_dvc_repro(pair, feature.changes)


def test_out_behind_a_link_out_of_the_repository_fails_its_stage_alone(
    repository: Repository,
) -> None:
    (repository.outside / "store").mkdir(parents=True)
    (repository.project / "far").symlink_to(repository.outside / "store")
    repository.stages(
        {
            "a": {"cmd": "echo 1 > far/x", "outs": ["far/x"]},
            "b": {"cmd": "echo 1 > b", "outs": ["b"]},
        }
    )

    finished = repository.ml_assets("run", "--keep-going")

    assert finished.code == 1, finished
    assert "a: a link leads out of the repository: far/x" in finished.stderr
    assert sorted(finished.ran) == ["b"]
    assert not list((repository.outside / "store").iterdir())


def test_ignore_file_in_a_dep_fails_its_stage_alone(repository: Repository) -> None:
    repository.write("tree/.dvcignore", "*.tmp\n")
    repository.write("tree/file", "1\n")
    repository.stages(
        {
            "a": {"cmd": "echo 1 > a", "deps": ["tree"], "outs": ["a"]},
            "b": {"cmd": "echo 1 > b", "outs": ["b"]},
        }
    )

    assert "unreadable: .dvcignore inside" in repository.ml_assets("plan").stdout
    finished = repository.ml_assets("run", "--keep-going")

    assert finished.code == 1, finished
    assert ".dvcignore inside a tracked directory" in finished.stderr
    assert sorted(finished.ran) == ["b"]


def test_lost_file_of_added_data_has_a_hint_that_leads_back(repository: Repository) -> None:
    repository.write("ds/a", "a\n")
    repository.write("ds/b", "b\n")
    repository.dvc("add", "--quiet", "ds")
    repository.stages(
        {"ab": {"cmd": "cat ds/a ds/b > ab", "deps": ["ds/a", "ds/b"], "outs": ["ab"]}}
    )
    repository.run()
    repository.commit()
    repository.remove("ds/b")

    finished = repository.ml_assets("run")

    assert finished.code == 1, finished
    hint = finished.stderr.splitlines()[-1]
    assert hint == "hint: get it back: git checkout -- 'ds.dvc' && dvc checkout 'ds.dvc'"
    repository.git("checkout", "--", "ds.dvc")
    repository.dvc("checkout", "ds.dvc")
    assert repository.run().ran == {}
