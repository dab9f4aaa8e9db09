"""The branches: each new commit of a watched branch becomes one run.

A tick asks the remote where its branches are (``read_remote``), fetches what is new, and decides.
``decide`` is pure: what it knows of the past is its cursor, which Dagster keeps together with the
runs that it asked for, so that a daemon that is killed at any point loses no commit. The key of a
run is its branch and commit, so that none runs twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ml_assets.project.settings.watch import First, WatchSettings

#: Seconds between attempts to reach a remote that does not answer: 30, 60, 120, … up to the last.
_FIRST_PAUSE, _LONGEST_PAUSE = 30.0, 900.0
#: How often a run waits for definitions that show its graph; it can do without.
_PATIENCE = 3


@dataclass(frozen=True)
class Waiting:
    """A commit that is to become a run.

    Attributes:
        waits: how many ticks it has waited for definitions that show its graph.
    """

    branch: str
    commit: str
    waits: int = 0


@dataclass(frozen=True)
class Cursor:
    """What was seen so far.

    Attributes:
        heads: the last commit seen of each branch; also of those that are gone.
        waiting: what is still to become a run.
        failures: how often in a row the remote did not answer.
        retry_at: when it is asked again, in seconds since 1970.
    """

    heads: Mapping[str, str] = field(default_factory=dict)
    waiting: tuple[Waiting, ...] = ()
    failures: int = 0
    retry_at: float = 0.0


@dataclass(frozen=True)
class New:
    """A commit that a branch has and had not before.

    Attributes:
        changed: the paths that it changes; None where that is not known.
        ours: a run has written it.
        distrust: why its signature does not count, where one is asked for.
    """

    commit: str
    changed: frozenset[str] | None = None
    ours: bool = False
    distrust: str | None = None


@dataclass(frozen=True)
class Loaded:
    """What the definitions hold of a branch: the graph of a commit, and what it looks like."""

    commit: str
    shape: str | None


@dataclass(frozen=True)
class Observed:
    """What a tick has seen.

    Attributes:
        heads: the commits of the watched branches that there are.
        new: of branches that have moved: their commits since, oldest first, the head last.
        shapes: what the graph of a commit looks like; None where it has none that can be read.
        loaded: what the definitions hold, by branch.
        active: commits of runs that wait or go on, by branch.
    """

    heads: Mapping[str, str]
    new: Mapping[str, Sequence[New]] = field(default_factory=dict)
    shapes: Mapping[str, str | None] = field(default_factory=dict)
    loaded: Mapping[str, Loaded] = field(default_factory=dict)
    active: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Decision:
    """What a tick does.

    Attributes:
        requests: commits that become runs now.
        superseded: branches whose older runs are to be cancelled.
        reload: whether the definitions are to be loaded anew.
        notes: what somebody who looks at the tick wants to read.
    """

    cursor: Cursor
    requests: tuple[Waiting, ...] = ()
    superseded: tuple[str, ...] = ()
    reload: bool = False
    notes: tuple[str, ...] = ()


def decide(cursor: Cursor, observed: Observed, settings: WatchSettings) -> Decision:
    """Decide what a tick does that has reached the remote.

    1. A branch that is seen for the first time is noted; its commit becomes a run where the
       settings say so. A repository with a long history makes no storm of runs.
    2. Of a branch that has moved, the newest commit becomes a run, or each: not those that a run
       has written, that change only what is ignored, or whose signature is asked for and does not
       count. A push that rewrites history is a move like any other.
    3. A branch that is gone is remembered: coming back at the same commit makes no second run.
    4. A commit whose graph differs from the one that the definitions show waits until they are
       loaded anew, but not for ever.
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
    return Decision(
        Cursor(heads, tuple(later)),
        tuple(requests),
        superseded,
        reload=any(_is_stale(one, head, observed, moved) for one, head in observed.heads.items()),
        notes=tuple(notes),
    )


def fail(cursor: Cursor, why: str, now: float) -> Decision:
    """Decide what a tick does that has not reached the remote: wait, longer each time.

    It is said once, and once more when the remote is back.
    """
    pause = min(_FIRST_PAUSE * 2.0**cursor.failures, _LONGEST_PAUSE)
    failed = replace(cursor, failures=min(cursor.failures + 1, 30), retry_at=now + pause)
    notes = (f"{why}; asked again in {pause:.0f} s",) if cursor.failures == 0 else ()
    return Decision(failed, notes=notes)


def is_resting(cursor: Cursor, now: float) -> bool:
    """Whether a remote that did not answer is left in peace for now.

    A clock that was set back must not make that an eternity.
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
    """Say why a commit becomes no run; None where nothing speaks against it."""
    if new.distrust is not None:
        return f"refused: {new.distrust}"
    if new.ours:
        return "written by a run"
    if new.changed and all(map(settings.ignores, new.changed)):
        return "changes only what is ignored"
    return None


def _release(waiting: Sequence[Waiting], observed: Observed) -> tuple[list[Waiting], list[Waiting]]:
    """Part what runs now from what waits for definitions; a branch's commits keep their order."""
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


def _is_stale(branch: str, head: str, observed: Observed, moved: set[str]) -> bool:
    """Whether the definitions are to be loaded anew for a branch.

    Where only versions have changed that can wait until a run of it has begun.
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
    """Write a cursor as Dagster keeps it."""
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
    """Parse what Dagster has kept; nothing is the cursor of a first start.

    Raises:
        ValueError: it is another program's, or of a newer version.
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
