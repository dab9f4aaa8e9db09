"""What a run takes over from earlier ones: --force, --force-downstream, --no-run-cache."""

from pathlib import Path

import pytest

from .repository import Repository


def chain(repository: Repository) -> None:
    """Three stages in a row; the first one writes the same bytes for many inputs."""
    repository.write("in.txt", "1\n")
    repository.stages(
        {
            "a": {"cmd": "head -c 1 in.txt > a", "deps": ["in.txt"], "outs": ["a"]},
            "b": {"cmd": "cp a b", "deps": ["a"], "outs": ["b"]},
            "c": {"cmd": "cp b c", "deps": ["b"], "outs": ["c"]},
            "other": {"cmd": "echo 1 > other", "outs": ["other"]},
        }
    )


LINKS = pytest.mark.parametrize("links", ["copy", "hardlink"], ids=["native", "dvcs-own-code"])


@pytest.fixture
def ran(repository: Repository, links: str) -> Repository:
    repository.dvc("config", "cache.type", links)
    chain(repository)
    assert sorted(repository.run().ran) == ["a", "b", "c", "other"]
    repository.commit()
    return repository


@LINKS
def test_force_runs_what_could_be_restored(ran: Repository) -> None:
    ran.remove("b")

    assert sorted(ran.run("--force").ran) == ["a", "b", "c", "other"]


@LINKS
def test_force_downstream_runs_the_stages_behind_a_changed_one(
    ran: Repository, tmp_path: Path
) -> None:
    ran.edit("in.txt", "1", "1, but longer")
    copy = ran.copy(tmp_path / "reference")
    expected = copy.repro("--force-downstream").ran

    finished = ran.run("--force-downstream")

    assert finished.ran == expected
    assert sorted(finished.ran) == ["a", "b", "c"]
    lock = (ran.project / "dvc.lock").read_bytes()
    assert lock == (copy.project / "dvc.lock").read_bytes()


@LINKS
def test_force_downstream_runs_nothing_where_nothing_changed(ran: Repository) -> None:
    assert ran.run("--force-downstream").ran == {}


@LINKS
def test_no_run_cache_runs_a_stage_with_the_inputs_of_an_earlier_run(
    ran: Repository, tmp_path: Path
) -> None:
    ran.edit("dvc.yaml", "cp b c", "cat b > c")
    assert sorted(ran.run().ran) == ["c"]
    ran.edit("dvc.yaml", "cat b > c", "cp b c")
    copy = ran.copy(tmp_path / "reference")
    expected = copy.repro("--no-run-cache").ran

    assert ran.run("--no-run-cache").ran == expected
    assert sorted(expected) == ["c"]


@LINKS
def test_no_run_cache_restores_what_dvc_lock_records(ran: Repository, tmp_path: Path) -> None:
    ran.remove("c")
    copy = ran.copy(tmp_path / "reference")
    expected = copy.repro("--no-run-cache").ran

    assert ran.run("--no-run-cache").ran == expected == {}
    assert (ran.project / "c").exists()
