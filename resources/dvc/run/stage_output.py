"""The output of a stage: all of it in a file, and as many of its lines as people can read.

1. All bytes go into the output file of the stage as they come.
2. Lines are reported as long as they come slowly: about 1,000 a second, and 10,000 at once.
3. Of faster output, the first and the last lines are reported, and the number of the others, every
   ten seconds. A stage that prints two million lines would otherwise wait for the terminal.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from resources.errors import os_reason

LONGEST_LINE = 64 * 1024  # bytes; a longer line arrives in pieces
_AT_ONCE = 10_000  # lines
_A_SECOND = 1_000  # lines
_BYTES_OF_A_LINE = 256  # longer lines count as several
_FEW_LINES = 20  # before and after lines that are left out
_LAST_BYTES = 16 * 1024
_REMINDER = 10.0  # seconds
_LONGEST_NAME = 200  # characters of a file name; file systems allow 255 bytes


class OutputFile:
    """The file with the whole output of a stage; created with its first bytes.

    Attributes:
        path: the file. Its next run writes it anew.
        trouble: why it is incomplete; None if it is complete.
    """

    def __init__(self, directory: Path, stage: str) -> None:
        name = quote(stage, safe="@:")
        if len(name) > _LONGEST_NAME:
            name = f"{name[:100]}-{hashlib.sha256(stage.encode()).hexdigest()[:16]}"
        self.path = directory / f"{name}.log"
        self.trouble: str | None = None
        self._descriptor: int | None = None

    @property
    def place(self) -> str:
        """Where the output is, or why it is incomplete, for people."""
        if self.trouble is not None:
            return f"all output could not be kept: {self.trouble}"
        return f"all output: {self.path}"

    def write(self, content: bytes) -> None:
        """Append bytes; a full disk stops the file and not the stage."""
        if self.trouble is not None:
            return
        try:
            if self._descriptor is None:
                self._descriptor = self._create()
            while content:
                content = content[os.write(self._descriptor, content) :]
        except OSError as error:
            self.trouble = os_reason(error)

    def _create(self) -> int:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(self.path, flags, 0o600)

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class StageOutput:
    """Reports the output of one command line by line.

    Args:
        on_line: receives the lines, as text.
        file: receives all bytes; None reports every line, however fast they come.
        now: seconds of a monotonic clock.
    """

    def __init__(
        self,
        on_line: Callable[[str], None],
        file: OutputFile | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_line = on_line
        self._file = file
        self._now = now
        self._allowance = float(_AT_ONCE)
        self._last = self._since = now()
        self._pending = b""  # while lines are left out: the last bytes
        self._lines: int | None = None  # lines that are left out; None while all are reported
        self._bytes = 0

    def feed(self, chunk: bytes) -> None:
        """Take bytes of the output as they come."""
        if self._file is None:
            self._report(chunk)
            return
        self._file.write(chunk)  # 1
        if self._lines is None:
            if self._is_slow(chunk):
                self._report(chunk)  # 2
                return
            first = chunk.split(b"\n", _FEW_LINES)
            chunk = first.pop()
            self._report(b"".join(line + b"\n" for line in first))  # 3
        self._leave_out(chunk)
        if self._now() - self._since >= _REMINDER:
            self.pause()

    def pause(self) -> None:
        """Report the last lines that were left out: the output pauses or ends."""
        if self._lines is None or self._file is None:
            return
        *lines, rest = self._pending.split(b"\n")
        whole = lines if len(self._pending) < _LAST_BYTES else lines[1:]
        shown = whole[-_FEW_LINES:]
        hidden = self._bytes - sum(len(line) + 1 for line in shown) - len(rest)
        if hidden > 0:
            count = self._lines - len(shown)
            self._on_line(f"… {count:,} lines ({hidden:,} bytes) not shown; {self._file.place}")
        for line in shown:
            self._on_line(_text(line))
        self._pending, self._lines, self._bytes = rest, None, 0

    def end(self) -> None:
        """Report what is left, also an incomplete line."""
        self.pause()
        if self._pending:
            self._on_line(_text(self._pending))
            self._pending = b""

    def _is_slow(self, chunk: bytes) -> bool:
        now = self._now()
        grown = self._allowance + (now - self._last) * _A_SECOND
        self._last = now
        cost = chunk.count(b"\n") + len(chunk) // _BYTES_OF_A_LINE
        self._allowance = min(grown, _AT_ONCE) - cost
        return self._allowance >= 0

    def _leave_out(self, chunk: bytes) -> None:
        if self._lines is None:
            self._lines, self._bytes, self._since = 0, len(self._pending), self._now()
        self._lines += chunk.count(b"\n")
        self._bytes += len(chunk)
        self._pending = (self._pending + chunk)[-_LAST_BYTES:]
        self._allowance = 0.0

    def _report(self, chunk: bytes) -> None:
        *lines, rest = (self._pending + chunk).split(b"\n")
        if len(rest) > LONGEST_LINE:
            end = _end_of_letters(rest)
            lines, rest = [*lines, rest[:end]], rest[end:]
        self._pending = rest
        for line in lines:
            self._on_line(_text(line))


def _end_of_letters(text: bytes) -> int:
    """Return the end of the last complete character (UTF-8, RFC 3629 section 3)."""
    for back in range(1, 4):
        byte = text[-back]
        if byte >= 0xC0:
            length = 2 + (byte >= 0xE0) + (byte >= 0xF0)
            return len(text) if back >= length else len(text) - back
        if byte < 0x80:
            break
    return len(text)


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r").rpartition("\r")[2]
