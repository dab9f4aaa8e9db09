"""Graphs: external deps, diamonds, directories that stages share; each against `dvc repro`."""

import pytest

from .comparison import Feature, Pair, assert_equals_dvc_repro
from .repository import Repository


def external(repository: Repository) -> None:
    """Deps outside of the repository, by absolute and by relative path."""
    shared = repository.home.parent / "shared"
    (shared / "folder").mkdir(parents=True)
    (shared / "data.txt").write_text("1\n", encoding="utf-8")
    (shared / "folder" / "file").write_text("1\n", encoding="utf-8")
    (repository.outside / "near.txt").write_text("1\n", encoding="utf-8")
    repository.stages(
        {
            "absolute": {
                "cmd": f"cp {shared}/data.txt a.txt",
                "deps": [f"{shared}/data.txt"],
                "outs": ["a.txt"],
            },
            "folder": {
                "cmd": f"cp {shared}/folder/file b.txt",
                "deps": [f"{shared}/folder"],
                "outs": ["b.txt"],
            },
            "relative": {
                "cmd": "cp ../outside/near.txt c.txt",
                "deps": ["../outside/near.txt"],
                "outs": ["c.txt"],
            },
        }
    )


def edit_near(repository: Repository) -> None:
    """Change the dep outside that is named by a relative path."""
    (repository.outside / "near.txt").write_text("2\n", encoding="utf-8")


def edit_shared(repository: Repository) -> None:
    """Change the deps outside that are named by absolute paths."""
    shared = repository.home.parent / "shared"
    (shared / "data.txt").write_text("2\n", encoding="utf-8")
    (shared / "folder" / "other").write_text("2\n", encoding="utf-8")


def graphs(repository: Repository) -> None:
    """A diamond, a dep inside of a directory out, a directory dep that holds outs of others."""
    repository.write("input.txt", "1\n")
    repository.write("parts/in_git.txt", "0\n")
    repository.stages(
        {
            "join": {
                "cmd": "cat left.txt right.txt > joined.txt",
                "deps": ["left.txt", "right.txt"],
                "outs": ["joined.txt"],
            },
            "left": {"cmd": "cp top.txt left.txt", "deps": ["top.txt"], "outs": ["left.txt"]},
            "right": {"cmd": "cp top.txt right.txt", "deps": ["top.txt"], "outs": ["right.txt"]},
            "top": {"cmd": "cp input.txt top.txt", "deps": ["input.txt"], "outs": ["top.txt"]},
            "tree": {
                "cmd": "mkdir -p tree/deep; cp joined.txt tree/deep/file; cp top.txt tree/file",
                "deps": ["joined.txt", "top.txt"],
                "outs": ["tree"],
            },
            "inside": {
                "cmd": "cp tree/deep/file inside.txt",
                "deps": ["tree/deep/file"],
                "outs": ["inside.txt"],
            },
            "inside_folder": {
                "cmd": "cp tree/deep/file inside_folder.txt",
                "deps": ["tree/deep"],
                "outs": ["inside_folder.txt"],
            },
            "part_one": {
                "cmd": "cp top.txt parts/one.txt",
                "deps": ["top.txt"],
                "outs": ["parts/one.txt"],
            },
            "part_two": {
                "cmd": "mkdir -p parts/two; cp top.txt parts/two/file",
                "deps": ["top.txt"],
                "outs": ["parts/two"],
            },
            "whole": {
                "cmd": "cat parts/in_git.txt parts/one.txt parts/two/file > whole.txt",
                "deps": ["parts"],
                "outs": ["whole.txt"],
            },
        }
    )


def change_left_only(repository: Repository) -> None:
    """Change one side of the diamond, to the same bytes."""
    repository.edit("dvc.yaml", "cp top.txt left.txt", "cat top.txt > left.txt")


def edit_file_in_git(repository: Repository) -> None:
    """Change the file in Git beside the outs of other stages."""
    repository.write("parts/in_git.txt", "00\n")


def remove_inside_file(repository: Repository) -> None:
    """Remove a file of a directory out that another stage depends on."""
    repository.remove("tree/deep/file")


def edit_input(repository: Repository) -> None:
    """Change the dep of the first stage."""
    repository.write("input.txt", "2\n")


FEATURES = (
    Feature("external-deps", external, (edit_near,)),
    Feature("graphs", graphs, (edit_input, change_left_only, edit_file_in_git, remove_inside_file)),
)


@pytest.mark.parametrize("feature", FEATURES, ids=str)
def test_graphs_run_as_in_dvc_repro(feature: Feature, pair: Pair) -> None:
    assert_equals_dvc_repro(pair, feature.changes)


@pytest.mark.parametrize("feature", [Feature("external-deps", external)], ids=str)
def test_changed_external_dep_is_seen(feature: Feature, pair: Pair) -> None:
    pair.run("first run")
    edit_shared(pair.reference)
    ran = pair.run("after a change outside")
    assert sorted(ran) == ["absolute", "folder"]
