"""The branch sensor: observe the remote, decide (``branches``), act on the decision."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import dagster as dg
from sqlalchemy.exc import SQLAlchemyError

from ml_assets.branches.branch_run import BRANCH_TAG, COMMIT_TAG, SENSOR, TRIGGER_TAG
from ml_assets.branches.cleanup import Collector
from ml_assets.branches.commit_trust import find_objection as distrust
from ml_assets.branches.graph_at_commit import WatchedBranch, load_branch
from ml_assets.branches.lock_records import is_written_by_run, open_records
from ml_assets.branches.mirror_pin import pin_protected
from ml_assets.branches.run_retention import remove_runs
from ml_assets.branches.watch import SHOWN, Watch
from ml_assets.branches.watch_resource import WATCH
from ml_assets.orchestration.instance.launcher import workers
from ml_assets.project.settings.watch import Commits, Older, WatchSettings
from resources.code_server import find_code_server
from resources.errors import ConfigurationError, LostRaceError, ResourceError, UnavailableError
from resources.git.mirror import VERIFIED
from resources.git.remote_repository import TRACKING
from sensors.branches import (
    BranchObservation,
    Loaded,
    New,
    TickDecision,
    decide,
    fail,
    find_objection,
    is_resting,
)
from sensors.cursor import Cursor, parse_cursor, write_cursor
from sensors.lost_commits import find_lost

#: The limit of commits read from one push when only the newest one runs.
_MOST = 50
_ACTIVE = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]
_CANCELING = dg.DagsterRunStatus.CANCELING


def build_sensor(
    settings: WatchSettings, branches: Sequence[WatchedBranch], jobs: Sequence[Any]
) -> dg.SensorDefinition:
    """Build the sensor of a watch.

    Args:
        branches: the branches of the definitions.
        jobs: the jobs of the branches.
    """
    names = {branch.name: branch.job for branch in branches}
    loaded = {branch.name: Loaded(branch.commit, branch.shape) for branch in branches}
    shapes = {(branch.name, branch.commit): branch.shape for branch in branches}

    def evaluate(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        watch: Watch = getattr(context.resources, WATCH).open()
        with _alone(watch) as alone:
            if not alone:
                return dg.SensorResult(skip_reason="another daemon is running a tick")
            tick = Tick(watch, loaded, shapes, context.instance)
            decision = tick.take(parse_cursor(context.cursor))
            if not decision.requests:
                decision = tick.tidy(decision)
        return _answer(decision, names)

    return dg.SensorDefinition(
        name="branches",
        evaluation_fn=evaluate,
        jobs=list(jobs) or None,
        minimum_interval_seconds=round(settings.interval),
        required_resource_keys={WATCH},
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Each new commit of a watched branch becomes one run.",
    )


def _answer(decision: TickDecision, jobs: Mapping[str, str]) -> dg.SensorResult:
    requests = [
        dg.RunRequest(
            run_key=one.key,
            job_name=jobs[one.branch],
            tags={BRANCH_TAG: one.branch, COMMIT_TAG: one.commit, TRIGGER_TAG: SENSOR},
        )
        for one in decision.requests
    ]
    return dg.SensorResult(
        run_requests=requests,
        cursor=write_cursor(decision.cursor),
        skip_reason=None if requests else "; ".join(decision.notes) or "no new commit",
    )


class Tick:
    """One evaluation of the sensor.

    Args:
        loaded: the commits that the definitions show, by branch.
        shapes: known shapes of graphs by branch and commit; the tick adds more.
    """

    def __init__(
        self,
        watch: Watch,
        loaded: Mapping[str, Loaded],
        shapes: dict[tuple[str, str], str | None],
        instance: dg.DagsterInstance,
    ) -> None:
        self._watch = watch
        self._loaded = loaded
        self._shapes = shapes
        self._instance = instance

    def take(self, cursor: Cursor) -> TickDecision:
        """Observe, decide and act.

        The tick succeeds without an answer of the remote: waiting commits stay in the cursor.
        """
        now = time.time()
        if is_resting(cursor, now):
            return TickDecision(cursor, notes=("the remote did not answer; retrying later",))
        try:
            observed = self._observe(cursor)
        except (UnavailableError, LostRaceError) as error:
            return fail(cursor, error.message, now)
        decision = decide(cursor, observed, self._watch.settings)
        if cursor.failures:
            decision = replace(decision, notes=("the remote answers again", *decision.notes))
        if self._watch.settings.older is Older.CANCEL:
            for branch in decision.superseded:
                self._cancel(branch, {one.commit for one in decision.requests})
        if decision.reload:
            decision = self._reload(decision)
        return decision

    def tidy(self, decision: TickDecision) -> TickDecision:
        """Clean up after runs from time to time; an error of the cleanup does not fail the tick."""
        now = time.time()
        collector = Collector(self._watch, workers(self._instance), now)
        try:
            if not collector.is_due():
                return decision
            runs = self._instance.get_runs(dg.RunsFilter(statuses=[*_ACTIVE, _CANCELING]))
            used = {run.tags.get(COMMIT_TAG, "") for run in runs}
            used |= {one.commit for one in decision.cursor.waiting}
            gone = collector.collect(used)
            removed = self._remove_runs(used, decision.cursor)
        except (ResourceError, OSError, SQLAlchemyError) as error:
            return replace(decision, notes=(*decision.notes, f"cleanup incomplete: {error}"))
        counts = {"worktrees": gone, "runs": removed}
        notes = [f"removed {count} {what}" for what, count in counts.items() if count]
        return replace(decision, notes=(*decision.notes, *notes))

    def _remove_runs(self, used: set[str], cursor: Cursor) -> int:
        """Remove old runs, but none of a commit that a branch is at or that still has to run."""
        settings, mirror = self._watch.settings, self._watch.mirror
        lost = find_lost(self._instance, cursor.heads, settings)
        kept = used | set(cursor.heads.values()) | {one.commit for one in lost}
        for place in (SHOWN, VERIFIED, TRACKING):
            kept |= set(mirror.read_refs(place).values())
        return remove_runs(self._instance, settings.keep_runs, kept)

    def _observe(self, cursor: Cursor) -> BranchObservation:
        mirror, settings = self._watch.mirror, self._watch.settings
        remote = mirror.read_remote(settings.branches)
        moved = [b for b, sha in remote.heads.items() if cursor.heads.get(b) != sha]
        heads = dict(remote.heads)
        if moved:
            rules = [remote.default] if remote.default else []
            fetched = mirror.fetch(sorted({*moved, *rules}), remote.default)
            with suppress(ConfigurationError):  # no protected branch: each run says so
                pin_protected(self._watch)
            heads |= {branch: fetched[branch] for branch in moved if branch in fetched}
        new = {b: self._list_new(b, cursor.heads.get(b), heads[b]) for b in moved}
        wanted = {(one.branch, one.commit) for one in cursor.waiting}
        lost = find_lost(self._instance, heads, settings)
        wanted |= {(one.branch, one.commit) for one in lost}
        wanted |= {
            (branch, one.commit)
            for branch, commits in new.items()
            for one in commits
            if find_objection(one, settings) is None
        }
        # Read the graph of a head once, and not at all if the head becomes no run.
        wanted |= {
            (branch, head)
            for branch, head in heads.items()
            if (branch, head) in self._shapes or branch not in self._loaded
        }
        return BranchObservation(
            heads=heads,
            new=new,
            shapes={commit: self._read_shape(branch, commit) for branch, commit in wanted},
            loaded=self._loaded,
            active={branch: self._list_active(branch) for branch in moved},
            lost=lost,
            now=time.time(),
        )

    def _list_new(self, branch: str, old: str | None, head: str) -> list[New]:
        """List the commits of a branch since the last tick; of a new branch, its head."""
        mirror = self._watch.mirror
        if old is None or not mirror.has(old):
            return [self._describe(branch, head, None)]
        each = self._watch.settings.commits is Commits.EACH
        commits = mirror.list_commits(old, head, None if each else _MOST) or [head]
        found: list[New] = []
        before = old
        for commit in commits:
            found.append(self._describe(branch, commit, before))
            before = commit if each else old
        return found

    def _describe(self, branch: str, commit: str, before: str | None) -> New:
        """Describe a commit.

        Args:
            before: the commit to compare with; None counts every file as changed.
        """
        watch = self._watch
        why = distrust(watch, commit)
        if why is not None:  # no file of it is read
            return New(commit, distrust=why)
        try:
            changed = watch.mirror.list_changed(before, commit) if before else None
        except UnavailableError:
            return New(commit)  # its run fails with the reason; other branches go on
        ours = is_written_by_run(open_records(watch), watch, branch, commit)
        return New(commit, changed=changed, ours=ours)

    def _read_shape(self, branch: str, commit: str) -> str | None:
        """Return the shape of a commit's graph; the UI shows a head with a readable graph."""
        if (branch, commit) not in self._shapes:
            shape = load_branch(self._watch, branch, commit).shape
            self._shapes[branch, commit] = shape
            mirror, ref = self._watch.mirror, f"{SHOWN}/{branch}"
            if shape is not None and mirror.read_tracked(branch) == commit:
                mirror.write_ref(ref, commit, mirror.read_ref(ref))
        return self._shapes[branch, commit]

    def _list_active(self, branch: str) -> list[str]:
        runs = self._instance.get_runs(dg.RunsFilter(statuses=_ACTIVE, tags={BRANCH_TAG: branch}))
        return [run.tags.get(COMMIT_TAG, "") for run in runs]

    def _cancel(self, branch: str, newer: set[str]) -> None:
        runs = self._instance.get_runs(
            dg.RunsFilter(statuses=_ACTIVE, tags={BRANCH_TAG: branch, TRIGGER_TAG: SENSOR})
        )
        for run in runs:
            if run.tags.get(COMMIT_TAG) not in newer:
                self._instance.run_coordinator.cancel_run(run.run_id)

    def _reload(self, decision: TickDecision) -> TickDecision:
        server = find_code_server()
        if server is None:
            note = "the graph has changed; reload the code location to see it"
            return replace(decision, notes=(*decision.notes, note))
        server.reload()
        return replace(decision, notes=(*decision.notes, "reloaded the definitions"))


@contextmanager
def _alone(watch: Watch) -> Iterator[bool]:
    """Lock the ticks of this watch for the block; yield False if another process has the lock."""
    watch.home.mkdir(parents=True, exist_ok=True)
    with open(watch.home / "tick.lock", "a+b") as guard:
        try:
            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
