"""The signal shield: a call that no signal interrupts.

Python raises ``KeyboardInterrupt`` in the main thread, between any two instructions. In the code of
Dagster and SQLAlchemy it is printed as a traceback, reported as a failure, or lost. No signal
interrupts another thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Generic, TypeVar

_T = TypeVar("_T")
_LOOK = 0.1  # seconds between two looks at a call whose end went unnoticed


def call_shielded(call: Callable[[], _T], on_interrupt: Callable[[], None]) -> _T:
    """Call a function in a thread of its own and return its result.

    Args:
        on_interrupt: called at the first interruption, so that the call ends soon.

    Raises:
        KeyboardInterrupt: this thread was interrupted. After the first interruption the call has
            ended; a second one does not wait for it.
    """
    shielded = _Call(call)
    shielded.start()
    try:
        shielded.wait()
    except KeyboardInterrupt:
        on_interrupt()
        shielded.wait()
        raise
    return shielded.read()


class _Call(Generic[_T]):
    """A call in a thread of its own.

    Not a ``Future`` and no ``join``: an interruption can leave their locks in a wrong state.
    """

    def __init__(self, call: Callable[[], _T]) -> None:
        self._call = call
        self._context = copy_context()
        self._results: list[_T] = []
        self._errors: list[BaseException] = []
        self._running = threading.Lock()
        self._running.acquire()
        self._thread = threading.Thread(target=self._work, name="shielded", daemon=True)

    def start(self) -> None:
        """Start the call."""
        self._thread.start()

    def _work(self) -> None:
        try:
            self._results.append(self._context.run(self._call))
        except BaseException as error:  # noqa: B036  # handed to the reader, never swallowed
            self._errors.append(error)
        finally:
            self._running.release()

    def wait(self) -> None:
        """Wait for the end of the call."""
        while not (self._results or self._errors):
            self._running.acquire(timeout=_LOOK)

    def read(self) -> _T:
        """Return the result of a call that has ended, or raise its error."""
        if self._errors:
            raise self._errors[0]
        return self._results[0]
