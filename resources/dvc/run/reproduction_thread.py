"""The reproduction thread: runs a reproduction in the background."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Self

from resources.dvc.run.reproduction import Reproduction
from resources.dvc.run.schedule import Finished
from resources.dvc.run.stage_result import StageResult


class ReproductionThread:
    """A context in which a reproduction runs in a thread of its own.

    The end of the context stops running stages and waits until finished stages are recorded.
    """

    def __init__(self, reproduction: Reproduction) -> None:
        self.checkout = reproduction.checkout
        self._reproduction = reproduction
        self._results: queue.SimpleQueue[Finished[StageResult] | BaseException | None]
        self._results = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="reproduction", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._reproduction.cancel()
        self._thread.join()

    def _work(self) -> None:
        try:
            for finished in self._reproduction.run():
                self._results.put(finished)
        except BaseException as error:  # noqa: B036  # handed to the reader, never swallowed
            self._results.put(error)
        finally:
            self._results.put(None)

    def interrupt(self) -> None:
        """Stop running stages, and end the results with ``KeyboardInterrupt``."""
        self._reproduction.cancel()
        self._results.put(KeyboardInterrupt())

    def run(self) -> Iterator[Finished[StageResult]]:
        """Yield each stage that has ended or ends.

        Raises:
            ResourceError: the run itself failed.
            KeyboardInterrupt: the run was interrupted.
        """
        while (finished := self._results.get()) is not None:
            if isinstance(finished, BaseException):
                raise finished
            yield finished
