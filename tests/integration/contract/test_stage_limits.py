"""Limits of stages, as settings: the time for the commands, and their retries."""

import pytest
import yaml

from .repository import Finished, Repository

#: Fails until its third attempt, and if the out of the last attempt is still there.
FLAKY = "test ! -e o && echo partial > o && echo x >> tries && test $(wc -l < tries) -ge 3"


def finish(repository: Repository, command: str, settings: str) -> Finished:
    """Run one stage with these settings."""
    repository.write("ml-assets.toml", f'[stages."fl*"]\n{settings}\n')
    repository.stages({"flaky": {"cmd": command, "outs": ["o"]}})
    return repository.ml_assets("run")


def lock_entries(repository: Repository) -> set[str]:
    """Return the names of the stages that `dvc.lock` records."""
    lock = repository.project / "dvc.lock"
    return set(yaml.safe_load(lock.read_text())["stages"]) if lock.exists() else set()


@pytest.mark.parametrize("cache_type", ["reflink,copy", "symlink"])
def test_failed_stage_runs_again_without_the_outs_of_the_last_attempt(
    repository: Repository, cache_type: str
) -> None:
    repository.dvc("config", "cache.type", cache_type)

    finished = finish(repository, FLAKY, "retries = 2")

    assert finished.code == 0, finished
    assert finished.ran == {"flaky": [("", FLAKY)] * 3}
    assert "retry 2 of 2: command exited with 1" in finished.stderr
    assert lock_entries(repository) == {"flaky"}
    assert repository.dvc("status").stdout.endswith("up to date.\n")


def test_stage_fails_when_its_retries_are_used_up(repository: Repository) -> None:
    finished = finish(repository, FLAKY, "retries = 1")

    assert finished.code == 1, finished
    assert len(finished.ran["flaky"]) == 2
    assert "flaky: command exited with 1" in finished.stderr
    assert lock_entries(repository) == set()


def test_command_is_stopped_after_the_time_limit_and_its_stage_fails(
    repository: Repository,
) -> None:
    finished = finish(repository, "trap 'exit 0' TERM; echo > o; sleep 60 & wait", "time-limit = 1")

    assert finished.code == 1, finished
    assert "stopped after the time limit of 1 s" in finished.stderr
    assert "time-limit in [tool.ml-assets.stages]" in finished.stderr
    assert lock_entries(repository) == set()


def test_limit_holds_for_all_commands_of_an_attempt_together(repository: Repository) -> None:
    repository.write("ml-assets.toml", '[stages."*"]\ntime-limit = 2\nretries = 1\n')
    slow = "test -e quick || sleep 60"
    repository.stages({"two": {"cmd": ["sleep 0.2", f"touch o; {slow}; :", "touch quick"]}})

    finished = repository.ml_assets("run")

    assert finished.code == 1, finished
    assert len(finished.ran["two"]) == 4  # the third command never runs
    assert "retry 1 of 2" not in finished.stderr and "retry 1 of 1" in finished.stderr


def test_other_stages_have_no_limits(repository: Repository) -> None:
    repository.write("ml-assets.toml", '[stages."fl*"]\nretries = 2\n')
    repository.stages({"other": {"cmd": FLAKY, "outs": ["o"]}})

    finished = repository.ml_assets("run")

    assert finished.code == 1, finished
    assert len(finished.ran["other"]) == 1
