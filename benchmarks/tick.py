"""A process that takes ticks over a remote repository, as the daemon does, and times them.

    python -P benchmarks/tick.py BRANCHES ROUNDS

It creates a bare remote of the current repository with this number of branches. It prints one JSON
document with the seconds of ticks without news, of ``git ls-remote`` for the same branches in turn,
and of ticks that find a commit with only ignored changes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import dagster as dg

from ml_assets.branches.graph_at_commit import load_branch
from ml_assets.branches.watch import Watch, watch_project
from ml_assets.project.project import find_project
from sensors.branch_sensor import Tick
from sensors.branches import Loaded
from sensors.cursor import Cursor


def main(branches: int, rounds: int) -> int:
    """Measure, and print the seconds."""
    names = tuple(f"branch-{number}" for number in range(branches))
    watch = _set_up(names)
    refs = [f"refs/heads/{name}" for name in names]
    heads = watch.mirror.fetch(names, None)
    shown = load_branch(watch, names[0], heads[names[0]])
    loaded = {name: Loaded(heads[name], shown.shape) for name in names}
    shapes = {(name, heads[name]): shown.shape for name in names}
    with dg.DagsterInstance.ephemeral() as instance:
        tick = Tick(watch, loaded, shapes, instance)
        cursor = tick.take(Cursor()).cursor
        nothing: list[float] = []
        bare: list[float] = []
        for _ in range(rounds):
            nothing.append(_time(partial(tick.take, cursor)))
            bare.append(_time(partial(_git, "ls-remote", "origin", *refs)))
        ignored: list[float] = []
        for number in range(rounds):
            Path("README.md").write_text(f"{number}\n")
            _git("add", "README.md")
            _git("commit", "--quiet", "--message", "Words")
            _git("push", "--quiet", "origin", f"HEAD:refs/heads/{names[0]}")
            started = time.perf_counter()
            decision = tick.take(cursor)
            ignored.append(time.perf_counter() - started)
            cursor = decision.cursor
            if decision.requests or decision.reload:
                raise SystemExit("a commit that changes nothing relevant became a run")
    print(json.dumps({"nothing": nothing, "ls_remote": bare, "ignored": ignored}))
    return 0


def _set_up(names: tuple[str, ...]) -> Watch:
    remote = Path.cwd().parent / "remote.git"
    subprocess.run(
        ["git", "init", "--quiet", "--bare", "--initial-branch=main", remote], check=True
    )
    _git("remote", "add", "origin", str(remote))
    for name in ("main", *names):
        _git("push", "--quiet", "origin", f"HEAD:refs/heads/{name}")
    _git("fetch", "--quiet", "origin")
    watch = watch_project(find_project(Path.cwd()))
    if watch is None:
        raise SystemExit("nothing to watch")
    return replace(watch, settings=replace(watch.settings, branches=names, ignore=("*.md",)))


def _git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], check=True, stdout=subprocess.DEVNULL)


def _time(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
