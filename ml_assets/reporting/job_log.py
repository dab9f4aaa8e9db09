"""The job log: groups of lines and annotations in the log of a CI job.

GitHub interprets lines of a job's output as commands to its runner: ``::error::`` at the start of a
line, ``##[error]`` anywhere in it. File names and the output of stages are untrusted, so

1. ``::stop-commands::`` with an unguessable token turns commands off from the start
   (attack: a stage prints ``::add-mask::`` or false annotations);
2. commands are on only for our own, which go to standard error in one write, and a token that
   turned them on is never used again (attack: a stage reads the log while the job runs);
3. values in our commands are escaped (attack: a file with the name ``a,line=9::b``);
4. commands stay off while standard output has unread bytes, because GitHub reads both streams in
   parallel (attack: a file with the name ``##[error]`` in a long table of findings).

Standard output is never changed: with ``--json`` it holds one document.
"""

from __future__ import annotations

import contextlib
import fcntl
import re
import secrets
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TextIO

from resources.ci_job import Provider, read_ci_job
from security.content.printable import printable

#: Annotations of each level that GitHub shows for one step; it drops more without a message.
MOST_ANNOTATIONS = 10
_LONGEST_READ = 5.0  # seconds to wait for a reader of standard output


@dataclass(frozen=True)
class Annotation:
    """A message beside a line of code.

    Attributes:
        level: ``error`` or ``warning``.
        path: relative to the platform's workspace, with ``/`` between names; empty without a file.
    """

    level: str
    title: str
    message: str
    path: str = ""
    line: int | None = None
    column: int | None = None


class JobLog:
    """The log of an unknown platform, without groups and annotations."""

    #: Whether the lines of a stage are written as a group.
    groups = False

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End."""

    def write_group(self, title: str, lines: Sequence[str]) -> None:
        """Write the lines of a group."""
        sys.stderr.writelines(f"{line}\n" for line in lines)

    def annotate(self, annotations: Sequence[Annotation]) -> None:
        """Annotate the code."""


class GitHubLog(JobLog):
    """The log of a job of GitHub Actions. Safe for threads.

    Args:
        make_token: returns a new token that turns commands on again.
    """

    groups = True

    def __init__(self, make_token: Callable[[], str] = lambda: secrets.token_hex(16)) -> None:
        self._make_token = make_token
        self._word = ""
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        """Turn commands off."""  # 1
        with self._lock:
            sys.stderr.write(self._stop())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Turn commands on again, for the steps after this program."""
        # Both streams may be closed by their reader.
        with self._lock, contextlib.suppress(OSError, ValueError):
            if _was_read(sys.stdout):
                sys.stderr.write(self._resume())
            sys.stderr.flush()

    def write_group(self, title: str, lines: Sequence[str]) -> None:
        """Write lines as a folded group with a title."""
        with self._lock:
            self._command(f"::group::{_escape(printable(title))}\n")
            sys.stderr.writelines(f"{line}\n" for line in lines)
            self._command("::endgroup::\n")

    def annotate(self, annotations: Sequence[Annotation]) -> None:
        """Annotate the code, with the first annotations of each level."""
        chosen = [
            one
            for level in ("error", "warning")
            for one in [each for each in annotations if each.level == level][:MOST_ANNOTATIONS]
        ]
        if chosen:
            with self._lock:
                self._command("".join(_annotation(one) for one in chosen))

    def _command(self, text: str) -> None:
        if _was_read(sys.stdout):  # 4
            sys.stderr.write(f"{self._resume()}{text}{self._stop()}")  # 2

    def _stop(self) -> str:
        self._word = self._make_token()
        return f"::stop-commands::{self._word}\n"

    def _resume(self) -> str:
        return f"::{self._word}::\n"


class GitLabLog(JobLog):
    """The log of a job of GitLab CI.

    Args:
        now: seconds since 1970.
    """

    groups = True

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._count = 0
        self._lock = threading.Lock()

    def write_group(self, title: str, lines: Sequence[str]) -> None:
        """Write lines as a folded group with a title."""
        with self._lock:
            self._count += 1
            name = f"ml_assets_{self._count}"
            moment = int(self._now())
            head = f"\x1b[0Ksection_start:{moment}:{name}[collapsed=true]\r\x1b[0K"
            sys.stderr.write(f"{head}{printable(title)}\n")
            sys.stderr.writelines(f"{_without_sections(line)}\n" for line in lines)
            sys.stderr.write(f"\x1b[0Ksection_end:{moment}:{name}\r\x1b[0K\n")


def open_job_log(environment: Mapping[str, str]) -> JobLog:
    """Open the log of the CI job that the environment describes."""
    job = read_ci_job(environment)
    if job is None:
        return JobLog()
    return GitHubLog() if job.provider is Provider.GITHUB else GitLabLog()


def _was_read(stream: TextIO) -> bool:
    """Wait until all bytes in a pipe are read; return whether they are."""
    try:
        stream.flush()
        descriptor = stream.fileno()
        until = time.monotonic() + _LONGEST_READ
        while int.from_bytes(fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)), sys.byteorder):
            if time.monotonic() > until:
                return False
            time.sleep(0.002)
    except (OSError, ValueError):
        return True  # not a pipe: it has no concurrent reader
    return True


def _annotation(one: Annotation) -> str:
    values = {"title": printable(one.title)}
    if one.path:
        # GitHub puts an annotation without a line on line 1, and refuses a column without one.
        values["file"] = printable(one.path, 4096)
        if one.line is not None:
            values["line"] = str(one.line)
            if one.column is not None:
                values["col"] = str(one.column)
    stated = ",".join(f"{name}={_escape_value(value)}" for name, value in values.items())
    return f"::{one.level} {stated}::{_escape(printable(one.message, 1000))}\n"


def _escape(text: str) -> str:
    """Escape the message of a command."""  # 3
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_value(text: str) -> str:
    """Escape a property value of a command."""  # 3
    return _escape(text).replace(":", "%3A").replace(",", "%2C")


def _without_sections(line: str) -> str:
    """Return a line that cannot start or end a section: marks need a carriage return."""
    return line.replace("\r", "") if re.search("section_(start|end)", line) else line
