"""The console: tables, colours and progress, on standard output and standard error."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import TextIO

from ml_assets.reporting.job_log import Annotation, JobLog
from resources.dvc.run.schedule import Finished
from resources.dvc.run.stage_result import Action, StageResult
from resources.errors import ResourceError

_CODES = {"red": 31, "green": 32, "yellow": 33, "blue": 34, "grey": 90, "bold": 1}
# Lines and seconds after which a CI job shows the output of a running stage.
_MOST_LINES = 1000
_LONGEST_SILENCE = 60.0
_COLOURS = {"run": "blue", "restore": "green", "skip": "grey", "passed": "green", "failed": "red"}


def paint(text: str, colour: str, stream: TextIO) -> str:
    """Colour a text if the stream is a terminal with colours, and NO_COLOR is not set."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not stream.isatty()
    return text if plain else f"\x1b[{_CODES[colour]}m{text}\x1b[0m"


def write_notice(text: str) -> None:
    """Write a notice to standard error."""
    sys.stderr.write(f"notice: {text}\n")


def write_table(rows: Sequence[Sequence[str]], header: Sequence[str], stream: TextIO) -> None:
    """Write a table; its last column takes the rest of the line."""
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    room = shutil.get_terminal_size((100, 24)).columns if stream.isatty() else 10**6
    for number, line in enumerate(lines):
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        cells[-1] = _shorten(line[-1], room - sum(widths[:-1]) - 2 * (len(widths) - 1))
        painted = [_paint_cell(cell, number == 0, stream) for cell in cells]
        stream.write("  ".join(painted).rstrip() + "\n")


def _shorten(text: str, room: int) -> str:
    return text if len(text) <= max(room, 20) else text[: max(room, 20) - 1] + "…"


def _paint_cell(cell: str, is_header: bool, stream: TextIO) -> str:
    if is_header:
        return paint(cell, "bold", stream)
    colour = _COLOURS.get(cell.strip())
    return paint(cell, colour, stream) if colour else cell


class ConsoleReporter:
    """Report a run on standard error as it happens.

    Args:
        total: number of stages of the run.
        quiet: omit the output of stages.
        log: the log of a CI job; if it has groups, the lines of a stage become a group when the
            stage ends, and before that when there are many lines or the oldest is old.
        now: seconds of a monotonic clock.
    """

    def __init__(
        self,
        total: int,
        *,
        quiet: bool = False,
        log: JobLog | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log if log is not None and log.groups else None
        self._now = now
        self._gathered: dict[str, list[str]] = {}
        self._since: dict[str, float] = {}
        self._total = total
        self._quiet = quiet
        self._done = 0
        self._lock = threading.Lock()
        self._tails: dict[str, list[str]] = {}
        self._keepers: list[Callable[[str], None]] = []
        self._lines: list[str] = []

    def keep_lines(self, keeper: Callable[[str], None]) -> None:
        """Pass all lines of stages to a callback, including earlier lines."""
        with self._lock:
            for line in self._lines:
                keeper(line)
            self._lines.clear()
            self._keepers.append(keeper)

    def line(self, stage: str, text: str) -> None:
        """Write one line of a stage's output after the stage's name."""
        with self._lock:
            if not self._keepers:
                self._lines.append(f"[{stage}] {text}")
            for keeper in self._keepers:
                keeper(f"[{stage}] {text}")
            self._tails.setdefault(stage, []).append(text)
            del self._tails[stage][:-10]
            if self._log is not None and not self._quiet:
                self._gather(self._log, stage, text)
            elif not self._quiet:
                name = paint(f"[{stage}]", "grey", sys.stderr)
                sys.stderr.write(f"{name} {text}\n")

    def _gather(self, log: JobLog, stage: str, text: str) -> None:
        lines = self._gathered.setdefault(stage, [])
        now = self._now()
        since = self._since.setdefault(stage, now)
        lines.append(text)
        if len(lines) >= _MOST_LINES or now - since >= _LONGEST_SILENCE:
            self._release(log, stage, f"{stage}, so far")

    def _release(self, log: JobLog, stage: str, title: str) -> None:
        lines = self._gathered.pop(stage, None)
        self._since.pop(stage, None)
        if lines:
            log.write_group(title, lines)

    def notice(self, text: str) -> None:
        """Write a notice."""
        with self._lock:
            sys.stderr.write(f"{paint('note:', 'yellow', sys.stderr)} {text}\n")

    def finished(self, finished: Finished[StageResult]) -> None:
        """Write the end of a stage and the progress of the run."""
        with self._lock:
            self._done += 1
            if self._log is not None:
                self._release(self._log, finished.name, finished.name)
                if isinstance(finished.error, ResourceError):
                    about = Annotation("error", f"stage {finished.name}", finished.error.message)
                    self._log.annotate([about])
            tail = self._tails.pop(finished.name, [])
            result = finished.result
            if result is not None and result.action is Action.SKIP:
                return
            if self._quiet and isinstance(finished.error, ResourceError):
                sys.stderr.writelines(f"[{finished.name}] {text}\n" for text in tail)
            sys.stderr.write(f"({self._done}/{self._total}) {_ending(finished)}\n")

    def aborted(self, error: ResourceError) -> None:
        """Leave it to the summary."""

    def interrupted(self) -> None:
        """Leave it to the command line."""


def _ending(finished: Finished[StageResult]) -> str:
    result = finished.result
    if result is None:
        if finished.blocked_by is not None:
            blocked = f"not run: {finished.name}: {finished.blocked_by} failed"
            return paint(blocked, "yellow", sys.stderr)
        return paint(f"failed: {finished.name}", "red", sys.stderr)
    if result.action is Action.RESTORE:
        return paint(f"restored from the cache: {finished.name}", "green", sys.stderr)
    usage = result.usage
    if usage is None:
        return paint(f"recorded: {finished.name}", "green", sys.stderr)
    memory = f", {usage.peak_bytes / 2**20:.0f} MiB" if usage.peak_bytes is not None else ""
    used = f"{usage.seconds:.1f} s{memory}"
    return f"{paint(f'ran: {finished.name}', 'green', sys.stderr)} ({used})"
