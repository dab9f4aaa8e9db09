"""What `ml-assets plan` says before a run is what the run does."""

import hashlib

import pytest

from .repository import Finished, Repository

LINKS = ("hardlink", "symlink")


def chain(repository: Repository) -> None:
    """Raw data and three stages in a row: without inputs, always changed, and with a directory."""
    repository.write("raw.txt", "raw\n")
    repository.stages(
        {
            "start": {"cmd": "echo 1 > start", "outs": ["start"]},
            "fetch": {
                "cmd": "cat start raw.txt > fetched",
                "deps": ["start", "raw.txt"],
                "outs": ["fetched"],
            },
            "split": {
                "cmd": "mkdir -p parts/a; nl fetched > parts/a/one; cp start parts/two",
                "deps": ["fetched", "start"],
                "outs": ["parts"],
            },
            "read": {"cmd": "wc -l < parts/a/one > read", "deps": ["parts/a"], "outs": ["read"]},
        }
    )
    repository.dvc("add", "raw.txt")
    repository.run()
    repository.commit()


def actions(finished: Finished) -> dict[str, str]:
    """Return the action of each stage."""
    assert finished.code == 0, finished
    return {one["stage"]: one["action"] for one in finished.document["assets"]}


def assert_plan_comes_true(repository: Repository) -> dict[str, str]:
    """Plan, run, compare, and return the actions of the stages that were not fresh."""
    planned = actions(repository.ml_assets("plan", "--json"))
    assert planned == actions(repository.run())
    return {stage: action for stage, action in planned.items() if action != "skip"}


def test_stage_that_runs_again_with_the_same_inputs_wakes_no_other(
    repository: Repository,
) -> None:
    chain(repository)
    repository.remove("start", "fetched", "parts")
    assert assert_plan_comes_true(repository) == {
        "start": "run",
        "fetch": "restore",
        "split": "restore",
    }


def test_stage_that_is_always_changed_wakes_no_other_with_the_same_inputs(
    repository: Repository,
) -> None:
    chain(repository)
    repository.edit("dvc.yaml", "  fetch:\n", "  fetch:\n    always_changed: true\n")
    assert assert_plan_comes_true(repository) == {"fetch": "run"}


def test_part_of_a_directory_that_lost_a_file_is_foreseen(repository: Repository) -> None:
    chain(repository)
    content = (repository.project / "parts/a/one").read_bytes()
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    (repository.project / ".dvc/cache/files/md5" / digest[:2] / digest[2:]).unlink()
    repository.remove("parts")
    planned = assert_plan_comes_true(repository)
    assert planned == {"split": "run"}


@pytest.mark.parametrize("link", LINKS)
def test_restored_outs_of_a_linked_cache_are_foreseen(repository: Repository, link: str) -> None:
    repository.dvc("config", "cache.type", link)
    chain(repository)
    repository.remove("fetched", "parts")
    assert assert_plan_comes_true(repository) == {"fetch": "restore", "split": "restore"}


@pytest.mark.parametrize("link", LINKS)
def test_raw_data_of_a_linked_cache_is_foreseen_to_come_back(
    repository: Repository, link: str
) -> None:
    repository.dvc("config", "cache.type", link)
    chain(repository)
    repository.remove("raw.txt")
    assert assert_plan_comes_true(repository) == {"raw.txt.dvc": "restore"}


def test_raw_data_that_only_its_cache_has_lost_wakes_no_other(repository: Repository) -> None:
    chain(repository)
    digest = (repository.project / "raw.txt.dvc").read_text(encoding="utf-8").split("md5: ")[1]
    (repository.project / ".dvc/cache/files/md5" / digest[:2] / digest[2:32]).unlink()
    assert assert_plan_comes_true(repository) == {"raw.txt.dvc": "run"}


def test_frozen_stage_with_another_command_wakes_no_other(repository: Repository) -> None:
    chain(repository)
    repository.edit(
        "dvc.yaml", "  fetch:\n    cmd: cat", "  fetch:\n    frozen: true\n    cmd: cat -s"
    )
    assert assert_plan_comes_true(repository) == {"fetch": "run"}
