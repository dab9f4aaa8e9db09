"""Lock files as they are found: edited by hand, old, partial; each against `dvc repro`."""

import re
import shutil
from collections.abc import Callable

import pytest

from .comparison import Feature, Pair, Step, assert_equals_dvc_repro
from .repository import Repository


def pipeline(repository: Repository) -> None:
    """Two file stages, a directory stage and a parameter, with the lock of `dvc repro`."""
    repository.write("input.txt", "1\r\n2\n")
    repository.write("params.yaml", "n: 1\n")
    repository.stages(
        {
            "copy": {"cmd": "cp input.txt copy.txt", "deps": ["input.txt"], "outs": ["copy.txt"]},
            "number": {
                "cmd": "nl copy.txt > number.txt",
                "deps": ["copy.txt"],
                "params": ["n"],
                "outs": ["number.txt"],
            },
            "tree": {
                "cmd": "mkdir tree; cp copy.txt tree/a; cp number.txt tree/b",
                "deps": ["copy.txt", "number.txt"],
                "outs": ["tree"],
            },
        }
    )
    repository.repro()


def change(repository: Repository) -> None:
    """Change the input of all."""
    repository.write("input.txt", "3\n")


def change_parameter(repository: Repository) -> None:
    """Change the parameter of the stage in the middle."""
    repository.write("params.yaml", "n: 2\n")


def rewritten(rewrite: Callable[[str], str]) -> Step:
    """Return a step that builds the pipeline and rewrites its lock."""

    def build(repository: Repository) -> None:
        pipeline(repository)
        lock = repository.project / "dvc.lock"
        before = lock.read_text(encoding="utf-8")
        after = rewrite(before)
        assert after != before
        lock.write_text(after, encoding="utf-8")

    return build


def with_comments(lock: str) -> str:
    """Add comments, blank lines and another style, as an editor would."""
    lock = lock.replace("stages:\n", "# by hand\nstages:\n\n", 1)
    lock = lock.replace("  number:\n", "  number:  # the second\n", 1)
    return lock.replace("    cmd: cp input.txt copy.txt", "    cmd: 'cp input.txt copy.txt'", 1)


def with_old_stages(lock: str) -> str:
    """Add entries of stages that exist no more, before and after the others."""
    entry = "  {}:\n    cmd: echo old\n    outs:\n    - path: {}.txt\n      hash: md5\n"
    entry += "      md5: d3b07384d113edec49eaa6238ad5ff00\n      size: 4\n"
    lock = lock.replace("stages:\n", "stages:\n" + entry.format("a_old", "a_old"), 1)
    return lock + entry.format("z_old", "z_old")


def without_hash_names(lock: str) -> str:
    """Write the lock as DVC 2 did, with no `hash: md5`."""
    return lock.replace("      hash: md5\n", "")


def without_sizes(lock: str) -> str:
    """Leave out what DVC does not need to know."""
    return re.sub(r"      (size|nfiles): \d+\n", "", lock)


def without_middle(lock: str) -> str:
    """Leave out the entry of the stage in the middle."""
    return re.sub(r"  number:\n(    .*\n)+", "", lock)


def reversed_stages(lock: str) -> str:
    """Write the entries in another order than DVC would."""
    head, *entries = re.split(r"(?m)^(?=  \w+:$)", lock)
    return head + "".join(reversed(entries))


def windows_lines(lock: str) -> str:
    """End lines as Windows does."""
    return lock.replace("\n", "\r\n")


def with_extra_keys(lock: str) -> str:
    """Record more of a file than DVC does now."""
    return lock.replace("      size: 5\n", "      size: 5\n      isexec: true\n", 1)


def as_json(lock: str) -> str:
    """Write flow style, which is YAML as well."""
    return lock.replace(
        "    params:\n      params.yaml:\n        n: 1\n", "    params: {params.yaml: {n: 1}}\n"
    )


def dvc_2_cache(repository: Repository) -> None:
    """A repository as DVC 2 left it: no hash names in the lock, the cache at its old place."""
    rewritten(without_hash_names)(repository)
    cache = repository.project / ".dvc" / "cache"
    for folder in (cache / "files" / "md5").iterdir():
        shutil.move(str(folder), str(cache / folder.name))
    shutil.rmtree(cache / "files")
    shutil.rmtree(cache / "runs")


def no_lock(repository: Repository) -> None:
    """No lock, but the outs and the cache of an earlier run."""
    pipeline(repository)
    repository.remove("dvc.lock")


def no_lock_and_no_run_cache(repository: Repository) -> None:
    """No lock and no run cache, but the outs: everything runs again."""
    pipeline(repository)
    repository.remove("dvc.lock", ".dvc/cache/runs")


def empty_lock(repository: Repository) -> None:
    """A lock with the schema and no stage."""
    pipeline(repository)
    repository.write("dvc.lock", "schema: '2.0'\nstages: {}\n")


def remove_outs(repository: Repository) -> None:
    """Remove outs that the cache holds."""
    repository.remove("copy.txt", "tree")


FEATURES = (
    Feature("comments", rewritten(with_comments), (change_parameter, change)),
    Feature("stages-that-are-no-more", rewritten(with_old_stages), (change,)),
    Feature("no-hash-names", rewritten(without_hash_names), (change_parameter,)),
    Feature("dvc-2-cache", dvc_2_cache, (remove_outs, change_parameter)),
    Feature("no-sizes", rewritten(without_sizes), (change,)),
    Feature("one-entry-missing", rewritten(without_middle), (change,)),
    Feature("another-order", rewritten(reversed_stages), (change_parameter,)),
    Feature("windows-lines", rewritten(windows_lines), (change_parameter,)),
    Feature("extra-keys", rewritten(with_extra_keys), (change_parameter,)),
    Feature("flow-style", rewritten(as_json), (change_parameter,)),
    Feature("no-lock", no_lock, (change,)),
    Feature("no-lock-and-no-run-cache", no_lock_and_no_run_cache),
    Feature("empty-lock", empty_lock),
)


@pytest.mark.parametrize("feature", FEATURES, ids=str)
def test_lock_file_is_kept_and_rewritten_as_by_dvc_repro(feature: Feature, pair: Pair) -> None:
    assert_equals_dvc_repro(pair, feature.changes)
