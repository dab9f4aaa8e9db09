"""The stage log: the output of stages in a run of this process, for Dagster's UI.

Dagster captures the output of a step by redirecting the streams of the whole process and starting
two processes that copy them back. A run on the command line already has the lines, including those
from before Dagster was ready, and writes them directly into the file that the UI reads.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Any, Self, cast

from dagster._core.storage.compute_log_manager import CapturedLogContext, ComputeIOType
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._serdes import ConfigurableClassData
from dagster._utils import touch_file


class StageLog:
    """Lines of output, kept until the log file is open. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[str] = []
        self._stream: IO[str] | None = None

    def write(self, line: str) -> None:
        """Write one line."""
        with self._lock:
            self._waiting.append(f"{line}\n")
            self._flush()

    @contextmanager
    def attached(self, stream: IO[str]) -> Iterator[None]:
        """Write to a stream until the end of the context."""
        with self._lock:
            self._stream = stream
            self._flush()
        try:
            yield
        finally:
            with self._lock:
                self._stream = None

    def _flush(self) -> None:
        if self._stream is not None and self._waiting:
            self._stream.writelines(self._waiting)
            self._stream.flush()
            self._waiting.clear()


class StageLogManager(LocalComputeLogManager):
    """Dagster's local log files; filled by a stage log where this process has one."""

    #: The stage log of this process, when its run was started on the command line.
    direct: StageLog | None = None

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        """Create the manager of ``dagster.yaml``; the inherited one creates its own class."""
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def capture_logs(self, log_key: Sequence[str]) -> Iterator[CapturedLogContext]:
        """Capture the output of a step."""
        log = StageLogManager.direct
        if log is None:
            with super().capture_logs(log_key) as context:
                yield context
            return
        with self.open_log_stream(log_key, ComputeIOType.STDERR):
            pass
        with self.open_log_stream(log_key, ComputeIOType.STDOUT) as stream:
            with log.attached(cast(IO[str], stream)):
                yield CapturedLogContext(log_key)
        touch_file(self.get_captured_local_path(list(log_key), "complete"))
