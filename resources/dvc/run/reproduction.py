"""The reproduction: one parallel run of a graph in a checkout.

Stages run in worker threads. The thread that reads the results writes lock files and ``.gitignore``
files in the order of the graph, so their bytes equal those of ``dvc repro``.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

from resources.dvc.checkout.checkout import Checkout
from resources.dvc.lock.git_ignore import GitIgnore
from resources.dvc.lock.lock_file import LockEntry
from resources.dvc.lock.loose_entries import LooseEntries
from resources.dvc.lock.repository_lock import hold_paths, hold_record, hold_repository
from resources.dvc.run.options import Options
from resources.dvc.run.schedule import Finished, Schedule
from resources.dvc.run.stage_process import Cancellation
from resources.dvc.run.stage_result import Action, StageResult
from resources.dvc.run.stage_runner import StageRunner
from resources.errors import StageError
from resources.git.command import explain_failure, run_git

#: Write lock files again only after this many times the duration of the last write.
_LAG = 10
_WAITING = "waiting for another run in this checkout"


class StageRun(Protocol):
    """A run of the stages of a checkout."""

    checkout: Checkout

    def run(self) -> Iterator[Finished[StageResult]]:
        """Yield each stage as it ends."""


@dataclass
class _Record:
    """Lock entries and ignored paths of finished stages, by stage name."""

    entries: dict[str, LockEntry] = field(default_factory=dict)
    ignored: dict[str, tuple[str, ...]] = field(default_factory=dict)


class Reproduction:
    """Brings the stages of a checkout up to date.

    Args:
        selected: names of the stages to check and run; other stages stay as they are.
        on_line: called from any thread with a stage name and one line of its output.
        on_notice: called with notices for the user.
    """

    def __init__(
        self,
        checkout: Checkout,
        selected: Collection[str],
        options: Options,
        *,
        on_line: Callable[[str, str], None],
        on_notice: Callable[[str], None],
    ) -> None:
        self.checkout = self._checkout = checkout
        self._schedule: Schedule[StageResult] | None = None
        self._stages = {s.name: s for s in checkout.manifest.stages if s.name in selected}
        self._options = options
        self._on_line = on_line
        self._on_notice = on_notice
        self._cancellation = Cancellation()
        self._record = _Record()
        self._changed: set[str] = set()  # stages that ran or were restored
        self._recording = threading.Lock()
        self._git = GitIgnore(checkout.root)
        self._loose = LooseEntries(checkout.state / "loose-entries.json")

    def run(self) -> Iterator[Finished[StageResult]]:
        """Run the stages; yield each stage as it ends. Closing the iterator stops running stages.

        Raises:
            RepositoryBusyError: another run or DVC command uses this checkout.
        """
        root = self._checkout.root
        with ExitStack() as held:
            held.enter_context(
                hold_repository(
                    root,
                    shared=self._options.shared,
                    wait=self._options.wait,
                    on_wait=lambda holder: self._on_notice(f"{_WAITING}: process {holder}"),
                )
            )
            # Another run may have written lock files while this run waited.
            self._checkout.forget_locks()
            held.enter_context(
                hold_paths(
                    root, reads=self._reads(), writes=self._writes(), on_repair=self._on_notice
                )
            )
            held.callback(self._checkout.store.save)
            yield from self._run_held()

    def cancel(self) -> None:
        """Stop running stages and start no more, so that ``run`` ends."""
        self._cancellation.cancel()
        if self._schedule is not None:
            self._schedule.stop()

    def _run_held(self) -> Iterator[Finished[StageResult]]:
        self._options.attestation.begin()
        runner = self._runner()
        schedule = Schedule(
            {name: stage.upstream for name, stage in self._stages.items()},
            lambda name: self._run_stage(runner, name),
            self._options.capacity,
        )
        self._schedule = schedule
        due = 0.0
        whole = False
        try:
            failed = False
            for finished in schedule.run():
                self._collect(finished)
                failed |= finished.error is not None
                if time.monotonic() >= due:
                    due = self._write_timed()
                yield finished
            whole = not failed or self._options.capacity.keep_going
            whole &= not self._cancellation.cancelled
        finally:
            # After an early end, stop running stages, and record the stages that finished anyway.
            self._cancellation.cancel()
            for finished in schedule.drain():
                self._collect(finished)
            self._write()
            if whole:
                self._loose.clear()

    def _run_stage(self, runner: StageRunner, name: str) -> StageResult:
        stage = self._stages[name]
        is_behind = not self._changed.isdisjoint(stage.upstream)
        result = runner.run(stage, self._options.reuse.narrow(is_behind=is_behind))
        if result.action is not Action.SKIP:
            self._changed.add(name)
        if any(self._is_read(os.path.dirname(path)) for path in result.ignored):
            # A downstream stage reads the directory, including the ignore file in it.
            with self._recording:
                self._record.ignored[name] = result.ignored
                self._write_ignored()
        return result

    def _is_read(self, directory: str) -> bool:
        """Whether a stage reads a directory that contains outs of other stages."""
        return any(
            directory == read or directory.startswith(read + os.sep) for read in self._gathered
        )

    @cached_property
    def _gathered(self) -> list[str]:
        """Absolute paths of deps that contain outs of other stages."""
        return [
            self._checkout.path(dep.location)
            for stage in self._stages.values()
            for dep in stage.deps
            if any(out.startswith(f"{dep.location}/") for out in dep.producers)
        ]

    def _runner(self) -> StageRunner:
        cached = [
            self._checkout.path(out.location)
            for stage in self._stages.values()
            for out in stage.outs
            if out.cache and "://" not in out.location
        ]
        scm = self._checkout.manifest.layout.scm
        return StageRunner(
            self._checkout,
            admission=self._options.admission,
            attestation=self._options.attestation,
            view=self._options.view,
            environment=self._options.environment,
            on_line=self._on_line,
            cancellation=self._cancellation,
            limits=self._options.limits,
            tracked=frozenset(self._git.find_tracked(cached) if scm else ()),
            outside=frozenset(self._git.find_outside(cached) if scm else ()),
            visible=frozenset(self._git.find_visible(cached) if scm else ()),
        )

    def _collect(self, finished: Finished[StageResult]) -> None:
        result = finished.result
        if result is None:
            return
        if result.entry is not None:
            self._record.entries[finished.name] = result.entry
        if result.ignored:
            with self._recording:
                self._record.ignored[finished.name] = result.ignored

    def _write_timed(self) -> float:
        """Write the record, and return the earliest time for the next write."""
        started = time.monotonic()
        self._write()
        return started + _LAG * (time.monotonic() - started)

    def _write(self) -> None:
        with hold_record(self._checkout.root):
            if self._options.shared:
                self._checkout.forget_locks()
                self._git = GitIgnore(self._checkout.root)
            self._write_held()

    def _write_held(self) -> None:
        written = [self._checkout.root / path for path in self._write_locks()]
        with self._recording:
            written += self._write_ignored()
        layout = self._checkout.manifest.layout
        if written and layout.scm and layout.autostage:
            _stage_in_git(self._checkout.root, written)

    def _write_ignored(self) -> list[Path]:
        ignored = [path for name in self._stages for path in self._record.ignored.get(name, ())]
        return self._git.write(ignored)

    def _write_locks(self) -> list[str]:
        by_file: dict[str, dict[str, LockEntry]] = {}
        for name, stage in self._stages.items():
            if name in self._record.entries:
                by_file.setdefault(stage.lock_path, {})[stage.key] = self._record.entries[name]
        for path, entries in by_file.items():
            self._checkout.lock(path).write(entries, self._order_new(path, entries))
        return list(by_file)

    def _order_new(self, path: str, entries: Mapping[str, LockEntry]) -> list[str]:
        """Return the new and the loose entries of a lock file in the order of the graph."""
        if self._options.shared:
            return []
        known = self._checkout.lock(path).entries
        loose = self._loose.find(path, list(known))
        added = {*loose, *(name for name in entries if name not in known)}
        order = [one.key for one in self._checkout.manifest.stages if one.lock_path == path]
        gone = [name for name in loose if name not in order]
        found = [*gone, *(name for name in order if name in added)]
        self._loose.note(path, found)  # before the file is written, in case this process is killed
        return found

    def _reads(self) -> Iterator[str]:
        for stage in self._stages.values():
            yield from self._paths(dep.location for dep in stage.deps)
            yield from self._paths(params.location for params in stage.params)

    def _writes(self) -> Iterator[str]:
        for stage in self._stages.values():
            yield from self._paths(out.location for out in stage.outs)

    def _paths(self, locations: Iterator[str]) -> Iterator[str]:
        return (self._checkout.path(place) for place in locations if "://" not in place)


def _stage_in_git(root: Path, files: list[Path]) -> None:
    done = run_git(root, "add", "--", *(os.fspath(file) for file in files))
    if done.returncode != 0:
        raise StageError(
            f"git add failed: {explain_failure(done)}",
            "add the files yourself: git add, or switch it off: dvc config core.autostage false",
        )
