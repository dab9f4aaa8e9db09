"""Stages and graphs: flags, wdir, several files, external deps, links, each against `dvc repro`."""

from collections.abc import Callable

import pytest

from .comparison import Feature, Pair, assert_equals_dvc_repro
from .repository import Repository


def flags(repository: Repository) -> None:
    """Frozen and always-changed stages, and stages without deps, outs or both."""
    repository.write("input.txt", "1\n")
    repository.stages(
        {
            "first": {"cmd": "cp input.txt a.txt", "deps": ["input.txt"], "outs": ["a.txt"]},
            "always": {
                "cmd": "cp a.txt always.txt",
                "deps": ["a.txt"],
                "outs": ["always.txt"],
                "always_changed": True,
            },
            "after_always": {
                "cmd": "cp always.txt after.txt",
                "deps": ["always.txt"],
                "outs": ["after.txt"],
            },
            "no_deps": {"cmd": "echo made > made.txt", "outs": ["made.txt"]},
            "no_outs": {"cmd": "test -s a.txt", "deps": ["a.txt"]},
            "neither": {"cmd": "true"},
            "always_alone": {"cmd": "echo hello", "always_changed": True},
        }
    )


def edit_input(repository: Repository) -> None:
    """Change the dep of the first stage."""
    repository.write("input.txt", "2\n")


def remove_made(repository: Repository) -> None:
    """Remove the out of the stage that has no deps."""
    repository.remove("made.txt")


def change_check(repository: Repository) -> None:
    """Change the command of the stage that has no outs."""
    repository.edit("dvc.yaml", "test -s a.txt", "test -f a.txt")


def frozen(repository: Repository) -> None:
    """A stage that is frozen after it ran, between two that are not."""
    repository.write("input.txt", "1\n")
    repository.stages(
        {
            "up": {"cmd": "cp input.txt a.txt", "deps": ["input.txt"], "outs": ["a.txt"]},
            "middle": {"cmd": "cp a.txt b.txt", "deps": ["a.txt"], "outs": ["b.txt"]},
            "down": {"cmd": "cp b.txt c.txt", "deps": ["b.txt"], "outs": ["c.txt"]},
        }
    )
    repository.repro()
    repository.dvc("freeze", "middle")


def thaw(repository: Repository) -> None:
    """Thaw the stage."""
    repository.edit("dvc.yaml", "    frozen: true\n", "")


def working_directories(repository: Repository) -> None:
    """Stages that run elsewhere than their `dvc.yaml` lies."""
    repository.write("data/input.txt", "1\n")
    repository.write("params.yaml", "top: 1\n")
    repository.write("data/params.yaml", "below: 2\n")
    repository.stages(
        {
            "below": {
                "wdir": "data",
                "cmd": "cp input.txt a.txt; mkdir -p ../elsewhere; cp input.txt ../elsewhere/b.txt",
                "deps": ["input.txt"],
                "params": ["below", {"../params.yaml": ["top"]}],
                "outs": ["a.txt", "../elsewhere/b.txt"],
            },
            "deeper": {
                "wdir": "data/../elsewhere",
                "cmd": "cp b.txt c.txt",
                "deps": ["b.txt"],
                "outs": ["c.txt"],
            },
            "variable": {
                "wdir": "${where}",
                "cmd": "cp a.txt d.txt",
                "deps": ["a.txt"],
                "outs": ["d.txt"],
            },
        },
        vars=[{"where": "data"}],
    )


def edit_data_input(repository: Repository) -> None:
    """Change the dep in the working directory."""
    repository.write("data/input.txt", "2\n")


def edit_upper_params(repository: Repository) -> None:
    """Change a parameter above the working directory."""
    repository.write("params.yaml", "top: 2\n")


def several_files(repository: Repository) -> None:
    """Pipelines in several directories that depend on each other in both directions."""
    repository.write("raw/input.txt", "1\n")
    repository.stages(
        {
            "last": {
                "cmd": "cat train/model.txt prepare/data.txt > report.txt",
                "deps": ["train/model.txt", "prepare/data.txt"],
                "outs": ["report.txt"],
            }
        }
    )
    repository.stages(
        {
            "prepare": {
                "cmd": "cp ../raw/input.txt data.txt",
                "deps": ["../raw/input.txt"],
                "outs": ["data.txt"],
            }
        },
        path="prepare/dvc.yaml",
    )
    repository.stages(
        {
            "train": {
                "cmd": "cp ../prepare/data.txt model.txt",
                "deps": ["../prepare/data.txt"],
                "outs": ["model.txt"],
            },
            "publish": {
                "cmd": "cp ../report.txt published.txt",
                "deps": ["../report.txt"],
                "outs": ["published.txt"],
            },
        },
        path="train/dvc.yaml",
    )
    repository.stages(
        {"same_name": {"cmd": "echo deep > out.txt", "outs": ["out.txt"]}},
        path="train/deep/er/dvc.yaml",
    )
    repository.stages(
        {"same_name": {"cmd": "echo raw > out.txt", "outs": ["out.txt"]}}, path="raw/dvc.yaml"
    )


def edit_raw(repository: Repository) -> None:
    """Change the input of the first file's stage."""
    repository.write("raw/input.txt", "2\n")


def remove_one_file(repository: Repository) -> None:
    """Remove one pipeline file with its lock."""
    repository.remove("train/deep/er/dvc.yaml", "train/deep/er/dvc.lock")


def commands(repository: Repository) -> None:
    """Command lists, lines, quotes, variables, comments and folded text."""
    repository.write("input.txt", "1\n")
    repository.write(
        "dvc.yaml",
        r"""stages:
  list:
    cmd:
      - cp input.txt a.txt
      - "echo 'second' >> a.txt"
      - |
        for i in 1 2; do
          echo $i >> a.txt
        done
    deps: [input.txt]
    outs: [a.txt]
  lines:
    cmd: |
      cp input.txt b.txt
      echo line >> b.txt
    outs: [b.txt]
    deps: [input.txt]
  folded:
    cmd: >-
      cat
      input.txt
      > c.txt
    deps: [input.txt]
    outs: [c.txt]
  one_in_list:
    cmd: [cp input.txt d.txt]
    deps: [input.txt]
    outs: [d.txt]
  quotes:
    cmd: printf '%s\n' "it's \"quoted\"" 'ünïcode ☃' "$HOME_OF_NOBODY" '# no comment' a\\b > e.txt
    outs: [e.txt]
  braces:
    cmd: X=1; echo "$X" '\${not_a_variable}' > f.txt
    outs: [f.txt]
  environment:
    cmd: echo "$DVC_STAGE" "$(basename "$DVC_ROOT")" > g.txt
    outs: [g.txt]
  long:
    cmd: echo """
        + " ".join(f"word{number:03}" for number in range(60))
        + """ > h.txt
    outs: [h.txt]
  tab:
    cmd: "printf 'a\\tb  ' > i.txt "
    outs: [i.txt]
""",
    )


def shorten_list(repository: Repository) -> None:
    """Take one command out of a list."""
    repository.edit("dvc.yaml", "      - \"echo 'second' >> a.txt\"\n", "")


def list_to_text(repository: Repository) -> None:
    """Write the same command not as a list."""
    repository.edit("dvc.yaml", "[cp input.txt d.txt]", "cp input.txt d.txt")


FEATURES = (
    Feature("flags", flags, (edit_input, remove_made, change_check)),
    Feature("frozen", frozen, (edit_input, thaw)),
    Feature("working-directories", working_directories, (edit_data_input, edit_upper_params)),
    Feature("several-files", several_files, (edit_raw, remove_one_file)),
    Feature("commands", commands, (shorten_list, list_to_text)),
)


@pytest.mark.parametrize("feature", FEATURES, ids=str)
def test_stages_equal_those_of_dvc_repro(feature: Feature, pair: Pair) -> None:
    assert_equals_dvc_repro(pair, feature.changes)


@pytest.mark.parametrize("place", ["", "../work", "."])
def test_current_directory_does_not_change_the_run(
    repository: Repository, pair_of: Callable[[Repository], Pair], place: str
) -> None:
    several_files(repository)
    pair = pair_of(repository)
    expected = pair.reference.repro()
    judged = pair.judged
    directory = judged.outside if place == "../work" else judged.project
    finished = judged.ml_assets("run", "--json", project=place, directory=directory)
    assert finished.code == 0, finished
    assert finished.ran == expected.ran
    pair.assert_same("first run")
