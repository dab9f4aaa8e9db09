"""The job log: how a CI platform folds what stages print, and marks what gates found.

GitHub takes lines of a job's output for commands to its runner: ``::error::`` at the start of one,
``##[error]`` anywhere in it. Names of files and the output of stages are not ours, so

1. no command is obeyed from the first moment on: ``::stop-commands::`` with a token that nobody
   can guess (attack: a stage prints ``::add-mask::`` or false annotations);
2. commands are on for our own only, all of which go to standard error in one piece, and the token
   that turned them on is never used again (attack: somebody reads the log while the job runs);
3. in our own commands what is not ours is escaped (attack: a file called ``a,line=9::b``);
4. commands stay off while anything of standard output is still to be read, for GitHub reads the two
   streams side by side (attack: a file called ``##[error]``, in a long table of findings).

Standard output is left alone: with ``--json`` it holds one document.
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

#: What GitHub shows of each level of one step; the rest it leaves out without a word.
MOST_ANNOTATIONS = 10
_LONGEST_READ = 5.0  # seconds that a reader of standard output has to read it


@dataclass(frozen=True)
class Annotation:
    """Something that people should see beside the code.

    Attributes:
        level: ``error`` or ``warning``.
        path: relative to the platform's workspace, with ``/`` between names; empty: about no file.
    """

    level: str
    title: str
    message: str
    path: str = ""
    line: int | None = None
    column: int | None = None


class JobLog:
    """The log of no platform that is known: nothing is folded and nothing marked."""

    #: Whether lines of a stage are to be kept until they can be written as a group.
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
        """Write lines that belong together."""
        sys.stderr.writelines(f"{line}\n" for line in lines)

    def annotate(self, annotations: Sequence[Annotation]) -> None:
        """Mark places in the code."""


class GitHubLog(JobLog):
    """The log of a job of GitHub Actions. Safe for threads.

    Args:
        make_token: makes what turns commands on again; another one each time.
    """

    groups = True

    def __init__(self, make_token: Callable[[], str] = lambda: secrets.token_hex(16)) -> None:
        self._make_token = make_token
        self._word = ""
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        """Turn the commands of others off."""  # 1
        with self._lock:
            sys.stderr.write(self._stop())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Turn commands on again, for what comes after this program."""
        # Where nobody reads any more, both streams may be closed.
        with self._lock, contextlib.suppress(OSError, ValueError):
            if _was_read(sys.stdout):
                sys.stderr.write(self._resume())
            sys.stderr.flush()

    def write_group(self, title: str, lines: Sequence[str]) -> None:
        """Write lines that are folded below a title."""
        with self._lock:
            self._command(f"::group::{_escape(printable(title))}\n")
            sys.stderr.writelines(f"{line}\n" for line in lines)
            self._command("::endgroup::\n")

    def annotate(self, annotations: Sequence[Annotation]) -> None:
        """Mark places in the code, those of each level that come first."""
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
        """Write lines that are folded below a title."""
        with self._lock:
            self._count += 1
            name = f"ml_assets_{self._count}"
            moment = int(self._now())
            head = f"\x1b[0Ksection_start:{moment}:{name}[collapsed=true]\r\x1b[0K"
            sys.stderr.write(f"{head}{printable(title)}\n")
            sys.stderr.writelines(f"{_without_sections(line)}\n" for line in lines)
            sys.stderr.write(f"\x1b[0Ksection_end:{moment}:{name}\r\x1b[0K\n")


def open_job_log(environment: Mapping[str, str]) -> JobLog:
    """Open the log of the CI job that an environment is of."""
    job = read_ci_job(environment)
    if job is None:
        return JobLog()
    return GitHubLog() if job.provider is Provider.GITHUB else GitLabLog()


def _was_read(stream: TextIO) -> bool:
    """Wait until all that was written to a pipe is read; say whether it is."""
    try:
        stream.flush()
        descriptor = stream.fileno()
        until = time.monotonic() + _LONGEST_READ
        while int.from_bytes(fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)), sys.byteorder):
            if time.monotonic() > until:
                return False
            time.sleep(0.002)
    except (OSError, ValueError):
        return True  # no pipe: nobody reads it while it is written
    return True


def _annotation(one: Annotation) -> str:
    values = {"title": printable(one.title)}
    if one.path:
        # GitHub puts what has no line on the first one; it takes no column without a line.
        values["file"] = printable(one.path, 4096)
        if one.line is not None:
            values["line"] = str(one.line)
            if one.column is not None:
                values["col"] = str(one.column)
    stated = ",".join(f"{name}={_escape_value(value)}" for name, value in values.items())
    return f"::{one.level} {stated}::{_escape(printable(one.message, 1000))}\n"


def _escape(text: str) -> str:
    """Escape what stands at the end of a command."""  # 3
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_value(text: str) -> str:
    """Escape what stands between the commas of a command."""  # 3
    return _escape(text).replace(":", "%3A").replace(",", "%2C")


def _without_sections(line: str) -> str:
    """Return a line that neither begins nor ends a section: its marks end with a return."""
    return line.replace("\r", "") if re.search("section_(start|end)", line) else line
