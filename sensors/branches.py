"""The decision of a tick: which new commits of watched branches become runs.

A tick reads the branches of the remote (``read_remote``), fetches new commits, and decides.
``decide`` is pure: its cursor holds the past. Dagster stores the cursor together with the requested
runs, so a daemon killed at any point loses no commit. The key of a run is its branch and commit, so
no commit runs twice. A commit whose runs have died has another key: the last of these runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ml_assets.project.settings.watch import Commits, First, WatchSettings
from sensors.cursor import Cursor, Waiting

#: Seconds between attempts to reach a remote that does not answer: 30, 60, 120, … up to the last.
_FIRST_PAUSE, _LONGEST_PAUSE = 30.0, 900.0
#: The limit of ticks that a commit waits for definitions with its graph.
_PATIENCE = 3
#: Seconds from the death of a run until its commit runs again. Dagster retries the first death
#: itself; from the third on, the pause doubles up to the last number.
_FIRST_REST, _LONGEST_REST = 20.0, 3600.0


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
class Lost:
    """A commit whose runs have all died: their processes were killed, or never started.

    Attributes:
        run: the id of the last run.
        deaths: the number of runs.
        since: the end of the last run, in seconds since 1970.
    """

    branch: str
    commit: str
    run: str
    deaths: int
    since: float

    def is_due(self, now: float) -> bool:
        """Whether the commit has rested; a clock that is set back must not prolong the rest."""
        rest = min(_FIRST_REST * 2.0 ** min(max(0, self.deaths - 2), 30), _LONGEST_REST)
        return not now - rest < self.since <= now + _LONGEST_REST


@dataclass(frozen=True)
class BranchObservation:
    """The observations of a tick.

    Attributes:
        heads: the commits of the existing watched branches.
        new: the new commits of moved branches, oldest first, the head last.
        shapes: the shape of a commit's graph; None without a readable graph.
        loaded: the commits in the loaded definitions, by branch.
        active: the commits of queued and started runs, by branch.
        lost: the commits whose runs have died.
        now: the time, in seconds since 1970.
    """

    heads: Mapping[str, str]
    new: Mapping[str, Sequence[New]] = field(default_factory=dict)
    shapes: Mapping[str, str | None] = field(default_factory=dict)
    loaded: Mapping[str, Loaded] = field(default_factory=dict)
    active: Mapping[str, Sequence[str]] = field(default_factory=dict)
    lost: Sequence[Lost] = ()
    now: float = 0.0


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
    4. Run a commit again whose runs have died, after a rest: the head of its branch, or any commit
       where each commit runs.
    5. Let a commit whose graph differs from the loaded one wait for reloaded definitions, for
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
    waiting += _recover(waiting, observed, settings, notes)  # 4
    requests, later = _release(waiting, observed)  # 5
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


def _recover(
    waiting: Sequence[Waiting],
    observed: BranchObservation,
    settings: WatchSettings,
    notes: list[str],
) -> Iterator[Waiting]:
    known = {(one.branch, one.commit) for one in waiting}
    for lost in observed.lost:
        wanted = is_wanted(lost.branch, lost.commit, observed.heads, settings)
        if wanted and (lost.branch, lost.commit) not in known and lost.is_due(observed.now):
            notes.append(f"{lost.branch} at {lost.commit[:12]}: running again, its run was killed")
            yield Waiting(lost.branch, lost.commit, after=lost.run)


def is_wanted(branch: str, commit: str, heads: Mapping[str, str], settings: WatchSettings) -> bool:
    """Whether a commit whose runs have died still has to run."""
    return branch in heads and (heads[branch] == commit or settings.commits is Commits.EACH)


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
