"""The short cut of these tests is held against the real thing: console scripts, not forks."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from .comparison import Pair
from .repository import Repository

PairOf = Callable[[Repository], Pair]


def pipeline(repository: Repository) -> None:
    """A little of everything."""
    repository.write("input.txt", "1\n")
    repository.write("params.yaml", "n: 1e-5\n")
    repository.stages(
        {
            "make": {
                "cmd": "mkdir -p tree/deep; cp input.txt tree/deep/file; cp input.txt file",
                "deps": ["input.txt"],
                "params": ["n"],
                "outs": ["tree", "file"],
            },
            "use": {"cmd": "cp file used", "deps": ["file", "tree"], "outs": ["used"]},
        }
    )


def test_forked_dvc_equals_the_dvc_command(repository: Repository, pair_of: PairOf) -> None:
    pipeline(repository)
    pair = pair_of(repository)
    pair.reference.repro()
    command = subprocess.run(
        [Path(sys.executable).with_name("dvc"), "repro", "--all-pipelines"],
        cwd=pair.judged.project,
        env=pair.judged.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert command.returncode == 0, command.stderr
    assert pair.judged.ran() == pair.reference.ran()
    pair.assert_same("dvc repro, forked and as a command")


def test_forked_ml_assets_equals_the_console_script(
    repository: Repository, pair_of: PairOf
) -> None:
    pipeline(repository)
    pair = pair_of(repository)
    forked = pair.reference.run()
    script = pair.judged.ml_assets_script("run", "--json")
    assert script.code == 0, script
    assert script.ran == forked.ran
    assert [(one["key"], one["action"], one["digest"]) for one in script.document["assets"]] == [
        (one["key"], one["action"], one["digest"]) for one in forked.document["assets"]
    ]
    pair.assert_same("ml-assets, forked and as a script")
    again = pair.judged.ml_assets_script("run", "--json")
    assert again.code == 0 and again.ran == {}, again


def test_module_can_be_run_as_the_console_script(repository: Repository) -> None:
    pipeline(repository)
    command = [sys.executable, "-m", "ml_assets.cli", "--project", str(repository.project), "plan"]
    finished = subprocess.run(
        command,
        cwd=repository.outside,
        env=repository.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert "make" in finished.stdout and "used" in finished.stdout


def test_our_state_does_not_make_the_working_tree_dirty(repository: Repository) -> None:
    """After a run Git shows what `dvc repro` would leave, and nothing of ours."""
    pipeline(repository)
    repository.commit()
    repository.run()
    assert (repository.project / ".ml-assets").exists()
    status = repository.git("status", "--porcelain", "--untracked-files=all").splitlines()
    assert sorted(status) == ["?? .gitignore", "?? dvc.lock"]
