"""DVC's run cache, in both directions: what one tool made, the other restores."""

from collections.abc import Callable

from .comparison import Pair
from .repository import Finished, Repository
from .snapshot import take_snapshot

PairOf = Callable[[Repository], Pair]
OUTS = ("copy.txt", "tool", "tree", "metric.json")


def pipeline(repository: Repository) -> None:
    """Stages with a file, an executable, a directory, a cached metric, params and a list."""
    repository.write("input.txt", "1\n")
    repository.write("params.yaml", "n: 1\nf: 1e-5\n")
    repository.stages(
        {
            "copy": {
                "cmd": ["cp input.txt copy.txt", "cp input.txt tool", "chmod +x tool"],
                "deps": ["input.txt"],
                "params": ["n", "f"],
                "outs": ["copy.txt", "tool"],
            },
            "tree": {
                "cmd": "mkdir -p tree/deep tree/empty; cp copy.txt tree/a; cp tool tree/deep/b",
                "deps": ["copy.txt", "tool"],
                "outs": ["tree"],
            },
            "metric": {
                "cmd": "echo '{}' > metric.json",
                "deps": ["tree"],
                "metrics": ["metric.json"],
            },
        }
    )


def forget(repository: Repository) -> None:
    """Remove the outs and the lock; only the cache still knows."""
    repository.remove(*OUTS, "dvc.lock")


def actions(finished: Finished) -> dict[str, str]:
    """Return the action that was reported for each asset, by the end of its key."""
    return {
        asset["key"].split("/", 1)[-1]: asset["action"] for asset in finished.document["assets"]
    }


def test_what_ml_assets_made_is_restored_by_dvc_repro(
    repository: Repository, pair_of: PairOf
) -> None:
    pipeline(repository)
    pair = pair_of(repository)
    pair.run("first run")
    pair.change(forget)
    pair.reference.repro()
    restored = pair.judged.repro()
    assert restored.ran == {}, restored
    pair.assert_same("restored by dvc repro")


def test_what_dvc_repro_made_is_restored_by_ml_assets(
    repository: Repository, pair_of: PairOf
) -> None:
    pipeline(repository)
    repository.repro()
    forget(repository)
    pair = pair_of(repository)
    pair.reference.repro()
    restored = pair.judged.run()
    assert restored.ran == {}, restored
    assert actions(restored) == dict.fromkeys(OUTS, "restore"), restored
    pair.assert_same("restored by ml-assets")


def test_plan_says_restore_before_run_restores(repository: Repository) -> None:
    pipeline(repository)
    repository.repro()
    forget(repository)
    before = take_snapshot(repository)
    planned = repository.ml_assets("plan", "--json")
    assert planned.code == 0, planned
    assert set(actions(planned).values()) == {"restore"}, planned
    assert take_snapshot(repository).differences(before, ("plan", "before")) == []


def test_earlier_parameters_are_restored(repository: Repository, pair_of: PairOf) -> None:
    pipeline(repository)
    pair = pair_of(repository)
    pair.run("first run")
    pair.change(lambda one: one.edit("params.yaml", "n: 1", "n: 2"))
    assert sorted(pair.run("another value")) == ["copy"]
    pair.change(lambda one: one.edit("params.yaml", "n: 2", "n: 1"))
    assert pair.run("the first value again") == {}


def test_run_cache_entry_whose_object_is_gone_runs_again(
    repository: Repository, pair_of: PairOf
) -> None:
    pipeline(repository)
    repository.repro()
    forget(repository)
    repository.remove(".dvc/cache/files")
    pair = pair_of(repository)
    assert sorted(pair.run("without objects")) == ["copy", "metric", "tree"]


def test_broken_run_cache_entry_runs_again(repository: Repository, pair_of: PairOf) -> None:
    pipeline(repository)
    repository.repro()
    forget(repository)
    entries = [path for path in (repository.project / ".dvc/cache/runs").rglob("*/*/*")]
    assert len(entries) == 3
    for path in entries:
        path.chmod(0o644)
        path.write_text("{not: [yaml", encoding="utf-8")
    pair = pair_of(repository)
    assert sorted(pair.run("with broken entries")) == ["copy", "metric", "tree"]
