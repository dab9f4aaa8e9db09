"""The schedule: decides which stage starts next, from names, edges and capacity, without DVC.

A worker takes the next stage itself, so a slow reader of the results (a database, for example)
delays no start.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

_R = TypeVar("_R")


@dataclass(frozen=True)
class Capacity:
    """The limits of parallel execution.

    Attributes:
        jobs: the total weight of stages that run at once.
        weights: weights other than 1 by stage; a stage heavier than ``jobs`` runs alone.
        mutexes: names by stage; two stages with a common name never run at once.
        keep_going: after a failure, continue with stages that do not depend on it.
    """

    jobs: int
    weights: Mapping[str, int]
    mutexes: Mapping[str, Sequence[str]]
    keep_going: bool = False


@dataclass(frozen=True)
class Finished(Generic[_R]):
    """The end of one node: a result, an error, or the name of the failed node that blocked it."""

    name: str
    result: _R | None = None
    error: BaseException | None = None
    blocked_by: str | None = None


class Schedule(Generic[_R]):
    """Runs a graph of names in parallel.

    Args:
        upstream: the names that must finish first, by name, in order of preference.
        execute: runs one name; called from several threads.
    """

    def __init__(
        self,
        upstream: Mapping[str, Sequence[str]],
        execute: Callable[[str], _R],
        capacity: Capacity,
    ) -> None:
        self._waiting = {
            name: {up for up in ups if up in upstream} for name, ups in upstream.items()
        }
        self._downstream: dict[str, list[str]] = {name: [] for name in upstream}
        for name, ups in self._waiting.items():
            for up in ups:
                self._downstream[up].append(name)
        self._order = {name: position for position, name in enumerate(upstream)}
        self._ready = [name for name, ups in self._waiting.items() if not ups]
        self._execute = execute
        self._capacity = capacity
        self._running: set[str] = set()
        self._done: set[str] = set()
        self._stopped = False
        self._workers: list[threading.Thread] = []
        self._ended = 0
        self._change = threading.Condition()
        self._results: queue.SimpleQueue[Finished[_R] | None] = queue.SimpleQueue()

    def run(self) -> Iterator[Finished[_R]]:
        """Run the graph; yield each node as it ends. Closing the iterator starts no more nodes."""
        self._workers = [
            threading.Thread(target=self._work, name=f"stage-{number}", daemon=True)
            for number in range(min(self._capacity.jobs, len(self._order)))
        ]
        for worker in self._workers:
            worker.start()
        try:
            yield from self._take_results()
        finally:
            self.stop()

    def drain(self) -> Iterator[Finished[_R]]:
        """Start no more nodes, wait for running nodes, and yield those that ``run`` did not."""
        self.stop()
        yield from self._take_results()

    def _take_results(self) -> Iterator[Finished[_R]]:
        while self._ended < len(self._workers):
            finished = self._results.get()
            if finished is None:
                self._ended += 1
            else:
                yield finished

    def stop(self) -> None:
        """Start no more nodes."""
        with self._change:
            self._stopped = True
            self._change.notify_all()

    def _work(self) -> None:
        try:
            while (name := self._take()) is not None:
                self._finish(self._try(name))
        finally:
            self._results.put(None)

    def _try(self, name: str) -> Finished[_R]:
        try:
            return Finished(name, result=self._execute(name))
        except BaseException as error:  # noqa: B036  # handed to the reader, never swallowed
            return Finished(name, error=error)

    def _take(self) -> str | None:
        with self._change:
            while True:
                if self._stopped or len(self._done) == len(self._order):
                    return None
                name = next((name for name in self._ready if self._fits(name)), None)
                if name is not None:
                    self._ready.remove(name)
                    self._running.add(name)
                    return name
                self._change.wait()

    def _fits(self, name: str) -> bool:
        if not self._running:
            return True
        used = sum(self._weight(other) for other in self._running)
        if used + self._weight(name) > self._capacity.jobs:
            return False
        mine = set(self._capacity.mutexes.get(name, ()))
        return not any(mine & set(self._capacity.mutexes.get(other, ())) for other in self._running)

    def _weight(self, name: str) -> int:
        return self._capacity.weights.get(name, 1)

    def _finish(self, finished: Finished[_R]) -> None:
        with self._change:
            self._running.discard(finished.name)
            self._done.add(finished.name)
            self._results.put(finished)
            if finished.error is None:
                self._release(finished.name)
            else:
                self._block(finished.name)
                if not self._capacity.keep_going:
                    self._stopped = True
            self._change.notify_all()

    def _release(self, name: str) -> None:
        for down in self._downstream[name]:
            self._waiting[down].discard(name)
            if not self._waiting[down] and down not in self._done:
                self._ready.append(down)
        self._ready.sort(key=self._order.__getitem__)

    def _block(self, culprit: str) -> None:
        pending = list(self._downstream[culprit])
        while pending:
            name = pending.pop()
            if name not in self._done:
                self._done.add(name)
                self._results.put(Finished(name, blocked_by=culprit))
                pending += self._downstream[name]
