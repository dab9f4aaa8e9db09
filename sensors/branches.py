"""The decision of a tick: which new commits of watched branches become runs.

A tick reads the branches of the remote (``read_remote``), fetches new commits, and decides.
``decide`` is pure: its cursor holds the past. Dagster stores the cursor together with the requested
runs, so a daemon killed at any point loses no commit. The key of a run is its branch and commit, so
no commit runs twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ml_assets.project.settings.watch import First, WatchSettings

#: Seconds between attempts to reach a remote that does not answer: 30, 60, 120, … up to the last.
_FIRST_PAUSE, _LONGEST_PAUSE = 30.0, 900.0
#: The limit of ticks that a commit waits for definitions with its graph.
_PATIENCE = 3


@dataclass(frozen=True)
class Waiting:
    """A commit that waits to become a run.

    Attributes:
        waits: the ticks that the commit has waited for definitions with its graph.
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
        failures: the number of failed attempts in a row to reach the remote.
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
        changed: the changed paths; None if unknown.
        ours: whether a run wrote the commit.
        distrust: why the commit's signature does not count; None if it does or none is required.
    """

    commit: str
    changed: frozenset[str] | None = None
    ours: bool = False
    distrust: str | None = None


@dataclass(frozen=True)
class Loaded:
    """The commit of a branch in the loaded definitions, and the shape of its graph."""

    commit: str
    shape: str | None


@dataclass(frozen=True)
class BranchObservation:
    """The observations of a tick.

    Attributes:
        heads: the commits of the existing watched branches.
        new: the new commits of moved branches, oldest first, the head last.
        shapes: the shape of a commit's graph; None without a readable graph.
        loaded: the commits in the loaded definitions, by branch.
        active: the commits of queued and started runs, by branch.
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
        requests: the commits that become runs now.
        superseded: the branches with older runs to cancel.
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

    1. Note the head of a new branch. Run it only if the settings say so: a long history starts no
       storm of runs.
    2. Run the newest commit of a moved branch, or each new commit, except commits written by a run,
       commits that change only ignored files, and commits without a required signature. A push that
       rewrites history counts as a move.
    3. Remember a deleted branch: if it returns at the same commit, no second run starts.
    4. Let a commit whose graph differs from the loaded one wait for reloaded definitions, for
       ``_PATIENCE`` ticks at most.
    """
    notes: list[str] = []
    heads = dict(cursor.heads)
    waiting = list(cursor.waiting)
    for branch, head in observed.heads.items():
        first = branch not in cursor.heads
        heads[branch] = head
        if first and settings.first is First.NOTE:  # 1
            notes.append(f"{branch}: new branch at {head[:12]}; only later commits run")
            continue
        commits = observed.new.get(branch, ())
        chosen = list(_choose(branch, commits, settings, notes))  # 2
        waiting += [Waiting(branch, one) for one in chosen]
    for branch in sorted(set(cursor.heads) - set(observed.heads)):  # 3
        notes.append(f"{branch}: deleted on the remote")
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

    Only the first failed tick has a note.
    """
    pause = min(_FIRST_PAUSE * 2.0**cursor.failures, _LONGEST_PAUSE)
    failed = replace(cursor, failures=min(cursor.failures + 1, 30), retry_at=now + pause)
    notes = (f"{why}; retrying in {pause:.0f} s",) if cursor.failures == 0 else ()
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
        return "changes only ignored files"
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
    """Parse a stored cursor; an empty text gives the cursor of the first start.

    Raises:
        ValueError: another program or another version has written the text.
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
