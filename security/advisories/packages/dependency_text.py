"""The text of dependency files, read with limits that stop a file from exhausting its reader.

1. A file must be UTF-8, also for pip: a ``coding:`` comment with another encoding is refused. In
   another encoding a comment can be a requirement.
2. The number of bytes and lines is limited, generously for real lock files.
3. A regular file is read, through no link.
"""

from __future__ import annotations

import codecs
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

from security.content.printable import printable

MOST_BYTES = 32 << 20
MOST_LINES = 300_000
_MOST_CANDIDATE = 1 << 20
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CODING = re.compile(rb"coding[:=]\s*([-\w.]+)")


class DependencyFileError(Exception):
    """A file is not parsed; the message is the reason."""


@dataclass(slots=True)
class ReadingBudget:
    """The remaining bytes and lines, over all files."""

    bytes: int = field(default_factory=lambda: MOST_BYTES)
    lines: int = field(default_factory=lambda: MOST_LINES)

    def read_text(self, path: Path, *, for_pip: bool) -> str:
        """Read a file, and subtract its size from the budget.

        Args:
            for_pip: pip reads the file, in the encoding that a comment names.

        Raises:
            DependencyFileError: the file is not UTF-8, too large, or not a regular file.
        """
        content = _read_bytes(path, self.bytes)  # 3
        if len(content) > self.bytes:  # 2
            raise DependencyFileError(
                f"dependency files exceed the total limit: {MOST_BYTES >> 20} MiB"
            )
        if for_pip:
            _verify_encoding(content)  # 1
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            raise DependencyFileError("not UTF-8") from None
        lines = len(text.splitlines())
        if lines > self.lines:
            raise DependencyFileError(
                f"dependency files exceed the total limit: {MOST_LINES} lines"
            )
        self.bytes -= len(content)
        self.lines -= lines
        return text


def read_candidate(path: Path) -> str | None:
    """Read a file that may be a list of packages; None if it is large or not text.

    Pip also reads UTF-16 and UTF-32 with a byte order mark.
    """
    try:
        content = _read_bytes(path, _MOST_CANDIDATE)
        if len(content) > _MOST_CANDIDATE:
            return None
        marks = (one for one in _MARKS if content.startswith(one[0]))
        return content.decode(next(marks, (b"", "utf-8"))[1])
    except (DependencyFileError, UnicodeDecodeError):
        return None


def _read_bytes(path: Path, most: int) -> bytes:
    """Read up to one byte more than the limit, from a regular file and through no link."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(handle, "rb") as stream:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise DependencyFileError("not a regular file")
            return stream.read(most + 1)
    except OSError as error:
        raise DependencyFileError(f"cannot read file: {error.strerror}") from error


def _verify_encoding(content: bytes) -> None:
    """Refuse a file that pip would decode with an encoding other than UTF-8."""
    for line in content.split(b"\n", 2)[:2]:
        found = _CODING.search(line) if line.startswith(b"#") else None
        if found is None:
            continue
        name = found[1].decode("ascii", "replace")
        try:
            known = codecs.lookup(name).name in ("utf-8", "ascii")
        except (LookupError, ValueError):
            known = False
        if not known:
            raise DependencyFileError(
                f"declares an encoding other than UTF-8: {printable(name, 40)}"
            )
