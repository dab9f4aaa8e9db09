"""The branches: each new commit of a watched branch becomes one run.

A tick reads the branches of the remote (``read_remote``), fetches new commits, and decides.
``decide`` is pure: it knows the past from its cursor, which Dagster stores together with the
requested runs, so that a daemon killed at any point loses no commit. The key of a run is its branch
and commit, so that no commit runs twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ml_assets.project.settings.watch import First, WatchSettings

#: Seconds between attempts to reach a remote that does not answer: 30, 60, 120, … up to the last.
_FIRST_PAUSE, _LONGEST_PAUSE = 30.0, 900.0
#: Ticks that a run waits at most for definitions that show its graph.
_PATIENCE = 3


@dataclass(frozen=True)
class Waiting:
    """A commit that waits to become a run.

    Attributes:
        waits: the ticks that it has waited for definitions that show its graph.
    """

    branch: str
    commit: str
    waits: int = 0


@dataclass(frozen=True)
class Cursor:
    """The state between two ticks.

    Attributes:
        heads: the last seen commit of each branch, also of deleted ones.
        waiting: commits that wait to become runs.
        failures: the attempts in a row without an answer of the remote.
        retry_at: the time of the next attempt, in seconds since 1970.
    """

    heads: Mapping[str, str] = field(default_factory=dict)
    waiting: tuple[Waiting, ...] = ()
    failures: int = 0
    retry_at: float = 0.0


@dataclass(frozen=True)
class New:
    """A new commit of a branch.

    Attributes:
        changed: the paths that it changes; None if unknown.
        ours: written by a run.
        distrust: why its signature does not count, where the settings require one.
    """

    commit: str
    changed: frozenset[str] | None = None
    ours: bool = False
    distrust: str | None = None


@dataclass(frozen=True)
class Loaded:
    """The commit that the definitions show of a branch, and the shape of its graph."""

    commit: str
    shape: str | None


@dataclass(frozen=True)
class BranchObservation:
    """The observations of a tick.

    Attributes:
        heads: the commits of the existing watched branches.
        new: the new commits of moved branches, oldest first, the head last.
        shapes: the shape of a commit's graph; None without a readable graph.
        loaded: the commits that the definitions show, by branch.
        active: commits of queued and started runs, by branch.
    """

    heads: Mapping[str, str]
    new: Mapping[str, Sequence[New]] = field(default_factory=dict)
    shapes: Mapping[str, str | None] = field(default_factory=dict)
    loaded: Mapping[str, Loaded] = field(default_factory=dict)
    active: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class TickDecision:
    """The decision of a tick.

    Attributes:
        requests: commits that become runs now.
        superseded: branches with older runs to cancel.
        reload: whether to reload the definitions.
        notes: messages for the reader of the tick.
    """

    cursor: Cursor
    requests: tuple[Waiting, ...] = ()
    superseded: tuple[str, ...] = ()
    reload: bool = False
    notes: tuple[str, ...] = ()


def decide(cursor: Cursor, observed: BranchObservation, settings: WatchSettings) -> TickDecision:
    """Decide after the remote has answered.

    1. A branch seen for the first time is noted; its commit becomes a run only if the settings say
       so, so that a long history causes no storm of runs.
    2. The newest commit of a moved branch becomes a run, or each new commit: except commits written
       by a run, commits that change only ignored files, and commits without a required signature. A
       push that rewrites history is a move like any other.
    3. A deleted branch is remembered: its return at the same commit causes no second run.
    4. A commit with another graph than the shown one waits for reloaded definitions, for a few
       ticks at most.
    """
    notes: list[str] = []
    heads = dict(cursor.heads)
    waiting = list(cursor.waiting)
    for branch, head in observed.heads.items():
        first = branch not in cursor.heads
        heads[branch] = head
        if first and settings.first is First.NOTE:  # 1
            notes.append(f"{branch}: seen for the first time at {head[:12]}; later commits run")
            continue
        commits = observed.new.get(branch, ())
        chosen = list(_choose(branch, commits, settings, notes))  # 2
        waiting += [Waiting(branch, one) for one in chosen]
    for branch in sorted(set(cursor.heads) - set(observed.heads)):  # 3
        notes.append(f"{branch}: not there any more")
    requests, later = _release(waiting, observed)  # 4
    moved = {one.branch for one in requests}
    superseded = tuple(
        branch
        for branch in sorted(moved)
        if set(observed.active.get(branch, ())) - _of(requests, branch)
    )
    return TickDecision(
        Cursor(heads, tuple(later)),
        tuple(requests),
        superseded,
        reload=any(_is_stale(one, head, observed, moved) for one, head in observed.heads.items()),
        notes=tuple(notes),
    )


def fail(cursor: Cursor, why: str, now: float) -> TickDecision:
    """Decide without an answer of the remote: wait, longer each time.

    The first failed tick reports it, and so does the first one that succeeds again.
    """
    pause = min(_FIRST_PAUSE * 2.0**cursor.failures, _LONGEST_PAUSE)
    failed = replace(cursor, failures=min(cursor.failures + 1, 30), retry_at=now + pause)
    notes = (f"{why}; asked again in {pause:.0f} s",) if cursor.failures == 0 else ()
    return TickDecision(failed, notes=notes)


def is_resting(cursor: Cursor, now: float) -> bool:
    """Whether to wait before the next attempt to reach a remote that did not answer.

    A clock that is set back must not prolong the wait.
    """
    return cursor.failures > 0 and now < cursor.retry_at <= now + _LONGEST_PAUSE


def _choose(
    branch: str, commits: Sequence[New], settings: WatchSettings, notes: list[str]
) -> Iterator[str]:
    runnable: list[New] = []
    for one in commits:
        why = find_objection(one, settings)
        if why is None:
            runnable.append(one)
        else:
            notes.append(f"{branch} at {one.commit[:12]}: {why}")
    yield from (one.commit for one in settings.commits.pick(runnable))


def find_objection(new: New, settings: WatchSettings) -> str | None:
    """Return why a commit becomes no run; None if it does."""
    if new.distrust is not None:
        return f"refused: {new.distrust}"
    if new.ours:
        return "written by a run"
    if new.changed and all(map(settings.ignores, new.changed)):
        return "changes only what is ignored"
    return None


def _release(
    waiting: Sequence[Waiting], observed: BranchObservation
) -> tuple[list[Waiting], list[Waiting]]:
    """Split commits into those to run and those that wait; each branch keeps its order."""
    now: list[Waiting] = []
    later: list[Waiting] = []
    for one in waiting:
        held = any(other.branch == one.branch for other in later)
        shape = observed.shapes.get(one.commit)
        shown = one.branch in observed.loaded and (
            shape is None or shape == observed.loaded[one.branch].shape or one.waits >= _PATIENCE
        )
        if shown and not held:
            now.append(one)
        else:
            later.append(replace(one, waits=one.waits + 1))
    return now, later


def _is_stale(branch: str, head: str, observed: BranchObservation, moved: set[str]) -> bool:
    """Whether to reload the definitions for a branch.

    A change of versions alone can wait for the run of the branch.
    """
    if branch not in observed.loaded:
        return True
    loaded, shape = observed.loaded[branch], observed.shapes.get(head)
    if shape is None or loaded.commit == head:
        return False
    return shape != loaded.shape or branch not in moved


def _of(requests: Sequence[Waiting], branch: str) -> set[str]:
    return {one.commit for one in requests if one.branch == branch}


def write_cursor(cursor: Cursor) -> str:
    """Write a cursor for Dagster's storage."""
    return json.dumps(
        {
            "version": 1,
            "heads": dict(cursor.heads),
            "waiting": [[one.branch, one.commit, one.waits] for one in cursor.waiting],
            "failures": cursor.failures,
            "retry_at": cursor.retry_at,
        }
    )


def parse_cursor(text: str | None) -> Cursor:
    """Parse a stored cursor; an empty one is that of the first start.

    Raises:
        ValueError: written by another program or a newer version.
    """
    if not text:
        return Cursor()
    document: Any = json.loads(text)
    if not isinstance(document, dict) or document.get("version") != 1:
        raise ValueError(f"not a cursor of this version: {text[:80]}")
    return Cursor(
        heads={str(name): str(sha) for name, sha in document["heads"].items()},
        waiting=tuple(Waiting(str(b), str(c), int(n)) for b, c, n in document["waiting"]),
        failures=int(document["failures"]),
        retry_at=float(document["retry_at"]),
    )
