"""DVC settings: cache types and places, autostage, no Git, a root below; against `dvc repro`."""

from collections.abc import Callable
from pathlib import Path

import pytest

from .comparison import Feature, Pair, Step, assert_equals_dvc_repro
from .repository import Repository, Tools
from .snapshot import take_snapshot


def pipeline(repository: Repository) -> None:
    """A file, a directory, an executable, a metric and added data."""
    repository.write("data/rows.csv", "1\n2\n")
    repository.write("input.txt", "1\n")
    repository.dvc("add", "--quiet", "data/rows.csv")
    repository.stages(
        {
            "copy": {
                "cmd": "cat data/rows.csv input.txt > copy.txt; nl copy.txt > tool; chmod +x tool",
                "deps": ["data/rows.csv", "input.txt"],
                "outs": ["copy.txt", "tool"],
            },
            "tree": {
                "cmd": "mkdir -p tree/deep; cp copy.txt tree/a; cp copy.txt tree/deep/b",
                "deps": ["copy.txt"],
                "outs": ["tree"],
            },
            "below": {
                "cmd": "mkdir -p sub/dir; cp tree/a sub/dir/file; echo 1 > sub/m.json",
                "deps": ["tree"],
                "outs": ["sub/dir/file"],
                "metrics": [{"sub/m.json": {"cache": False}}],
            },
        }
    )


def change(repository: Repository) -> None:
    """Change the input of all."""
    repository.write("input.txt", "2\n")


def change_back(repository: Repository) -> None:
    """Undo the change: everything is in the run cache."""
    repository.write("input.txt", "1\n")


def remove_outs(repository: Repository) -> None:
    """Remove outs that the cache holds."""
    repository.remove("copy.txt", "tree")


def settings(*pairs: tuple[str, str]) -> Step:
    """Return a step that builds the pipeline and sets these DVC settings."""

    def build(repository: Repository) -> None:
        for name, value in pairs:
            repository.dvc("config", name, value)
        pipeline(repository)

    return build


FEATURES = (
    Feature("cache-type-copy", settings(("cache.type", "copy")), (change, change_back)),
    Feature("cache-type-hardlink", settings(("cache.type", "hardlink")), (change, change_back)),
    Feature("cache-type-symlink", settings(("cache.type", "symlink")), (change, change_back)),
    Feature("shared-cache", settings(("cache.shared", "group")), (change,)),
    Feature("cache-elsewhere", settings(("cache.dir", "../outside/cache")), (remove_outs,)),
    Feature("autostage", settings(("core.autostage", "true")), (change,)),
)


@pytest.mark.parametrize("feature", FEATURES, ids=str)
def test_settings_have_the_effect_they_have_on_dvc_repro(feature: Feature, pair: Pair) -> None:
    assert_equals_dvc_repro(pair, feature.changes)


PairOf = Callable[[Repository], Pair]


def test_dvc_root_below_the_git_root(tools: Tools, tmp_path: Path, pair_of: PairOf) -> None:
    repository = Repository(tmp_path / "origin", tools, below="ml/project")
    repository.git("init", "--quiet", "--initial-branch=main")
    repository.project.mkdir(parents=True)
    repository.dvc("init", "--quiet", "--subdir")
    (repository.root / "beside.txt").write_text("beside\n", encoding="utf-8")
    pipeline(repository)
    repository.stages(
        {
            "reach": {
                "cmd": "cp ../../../beside.txt reach.txt",
                "deps": ["../../../beside.txt"],
                "outs": ["reach.txt"],
            }
        },
        path="more/dvc.yaml",
    )
    repository.commit()
    assert_equals_dvc_repro(pair_of(repository), (change,))


def test_dvc_without_git_settings_inside_of_git(bare: Repository, pair_of: PairOf) -> None:
    """`dvc init --no-scm` below a Git root: DVC writes no `.gitignore`."""
    bare.git("init", "--quiet", "--initial-branch=main")
    bare.dvc("init", "--quiet", "--no-scm")
    pipeline(bare)
    bare.write(".git/info/exclude", "/.dvc/cache\n/.dvc/tmp\n")  # a tracked cache is refused
    bare.commit()
    pair = pair_of(bare)
    assert_equals_dvc_repro(pair, (change,))
    assert "copy.txt" in take_snapshot(pair.judged).files
    assert not (pair.judged.project / ".gitignore").exists()


def test_dvc_without_git(bare: Repository, pair_of: PairOf) -> None:
    bare.dvc("init", "--quiet", "--no-scm")
    pipeline(bare)
    assert_equals_dvc_repro(pair_of(bare), (change,))


def test_stage_that_writes_through_a_link_does_not_change_the_cache(
    repository: Repository, pair_of: PairOf
) -> None:
    """A hard-linked out that is appended to in place would change the object in the cache."""
    repository.dvc("config", "cache.type", "hardlink")
    pipeline(repository)
    pair = pair_of(repository)
    pair.run("first run")
    step = "cat data/rows.csv input.txt > copy.txt; nl copy.txt > tool"
    pair.change(lambda one: one.edit("dvc.yaml", step, step + "; echo more >> copy.txt"))
    pair.run("after a change of the command")
