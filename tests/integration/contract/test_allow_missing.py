"""`--allow-missing`: what is fresh is so without its data, and nothing is fetched."""

import shutil
from pathlib import Path

import pytest

from .published import cached, clone, present, publish
from .repository import Finished, Repository


@pytest.fixture
def fresh(origin: Repository, tmp_path: Path) -> Repository:
    """A fresh clone that cannot reach the remote."""
    repository = clone(origin, tmp_path / "clone")
    repository.dvc("remote", "modify", "--local", "store", "url", str(tmp_path / "gone"))
    return repository


def actions(finished: Finished) -> dict[str, str]:
    return {one["stage"]: one["action"] for one in finished.document["assets"]}


def test_fresh_stages_stay_fresh_and_nothing_is_fetched(fresh: Repository) -> None:
    plan = fresh.ml_assets("plan", "--allow-missing", "--json")
    assert set(actions(plan).values()) == {"skip"}, plan

    ran = fresh.run("--allow-missing")

    assert set(actions(ran).values()) == {"skip"}
    assert ran.ran == {} and cached(fresh) == []
    assert fresh.git("status", "--porcelain") == ""


def test_option_wins_over_the_setting_that_fetches(fresh: Repository) -> None:
    fresh.write("ml-assets.toml", "pull = true\n")

    assert set(actions(fresh.run("--allow-missing")).values()) == {"skip"}


def test_stage_that_reads_absent_data_fails_and_names_the_option(fresh: Repository) -> None:
    fresh.write("count.txt", "rows\nand another\n")

    finished = fresh.ml_assets("run", "--allow-missing")

    assert finished.code != 0 and finished.ran == {}, finished
    assert "neither in the working tree nor in the cache: all.txt" in finished.stderr
    assert "ml-assets run --pull" in finished.stderr


def test_stage_takes_absent_data_from_the_cache(
    origin: Repository, fresh: Repository, tmp_path: Path
) -> None:
    shutil.copytree(origin.project / ".dvc" / "cache", fresh.project / ".dvc" / "cache")
    fresh.write("count.txt", "rows\nand another\n")

    ran = fresh.run("--allow-missing")

    assert list(ran.ran) == ["count"]
    assert present(fresh, "all.txt", "raw.csv") == ["all.txt"]


def test_changed_code_is_a_change_without_the_data(fresh: Repository) -> None:
    fresh.edit("dvc.yaml", "cat parts/deep/two", "tail -n 1 parts/deep/two")

    plan = actions(fresh.ml_assets("plan", "--allow-missing", "--json"))

    assert plan["part"] == "run" and plan["split"] == "skip"


def test_missing_file_of_git_is_a_change(fresh: Repository) -> None:
    (fresh.project / "count").unlink()

    assert actions(fresh.ml_assets("plan", "--allow-missing", "--json"))["count"] == "run"


def test_model_that_is_not_here_is_not_judged_and_does_not_pass(
    repository: Repository, tmp_path: Path
) -> None:
    model = {"cmd": "cp weights.txt model.json", "deps": ["weights.txt"]}
    repository.write("weights.txt", "[1, 2]")
    repository.stages({"train": {**model, "outs": [{"model.json": {"type": "model"}}]}})
    repository.repro()
    publish(repository, str(repository.outside / "store"))

    finished = clone(repository, tmp_path / "clone").ml_assets("run", "--allow-missing", "--json")

    assert finished.code == 3, finished
    assert {one["verdict"] for one in finished.document["gates"]} == {"error"}


def test_both_options_together_are_refused(fresh: Repository) -> None:
    finished = fresh.ml_assets("run", "--pull", "--allow-missing")

    assert finished.code == 2 and "not allowed with" in finished.stderr
