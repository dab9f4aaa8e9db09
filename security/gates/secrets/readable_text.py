"""Readable text: the views of a file that are searched for secrets.

A view is a list of lines. The first view holds the lines as they are. As detectors search for
quoted values, there may be a second one: the unescaped strings of JSON (such as the cells of a
notebook) with their line numbers, or the values assigned without quotes, put in quotes.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass

#: Longer lines are split into pieces, because some patterns take quadratic time.
_PIECE, _OVERLAP = 4096, 1536

#: The largest share of control characters in text; random bytes have eleven percent.
_MOST_CONTROL = 0.05
_CONTROL = bytes(set(range(32)) - set(b"\t\n\v\f\r\b\x1b")) + b"\x7f"
_MARKS = (
    (b"\xff\xfe\0\0", "utf-32"),
    (b"\0\0\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)

_JSON = frozenset({".json", ".ipynb", ".jsonl", ".ndjson", ".geojson"})
#: Without a closing quote it matches to the end, so that no text is searched repeatedly.
_JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"?')
_CODE = frozenset(
    ".py .pyi .js .mjs .cjs .jsx .ts .tsx .java .kt .scala .go .c .h .cc .cpp .hpp .m .cs .rs .rb"
    " .php .swift .r .jl .lua .pl .pm .html .css .svg".split()
)
_PROSE = frozenset({".md", ".rst", ".txt", ".adoc", ".tex", ".csv", ".tsv", ".xml", ".lock"})
_ASSIGNMENT = re.compile(
    r"(?:^|(?<=[\s\"'(,;]))-{0,2}([A-Za-z_][\w.-]{0,127})[ \t]*[:=][ \t]*"
    r"([^\s\"'`,;(){}\[\]<>$|&:=][^\s\"'`,;]*)",
    re.MULTILINE,
)
_STRINGS = re.compile(rb"[\t\x20-\x7e]{8,}")


@dataclass(frozen=True, slots=True)
class View:
    """One way to read a file.

    Attributes:
        pieces: the searched texts: lines, or parts of long lines.
        sources: for each piece, the index of its line.
        lines: whole lines, to find comments in them and before them.
        numbers: for each line, its number in the file, from 1; empty if it follows from the index.
        words: whether names such as ``password`` are significant, which they are not in prose.
        entropy: whether randomness is significant, which it is not in machine code.
        quoted: whether quotes are in the file, not added by the view.
    """

    pieces: list[str]
    sources: list[int]
    lines: list[str]
    numbers: list[int]
    words: bool = True
    entropy: bool = True
    quoted: bool = True

    def number(self, line: int) -> int:
        """Return the line number in the file for the index of a line."""
        return self.numbers[line] if self.numbers else line + 1


@dataclass(frozen=True, slots=True)
class ReadableText:
    """The views of a file; for a binary file, one view of its printable strings."""

    binary: bool
    views: tuple[View, ...]


def read_text(path: str, data: bytes) -> ReadableText:
    """Build the views of a file from its bytes.

    Args:
        path: its suffix names the language.
    """
    text = decode(data)
    if text is None:
        strings = [match[0].decode("ascii") for match in _STRINGS.finditer(data)]
        return ReadableText(True, (_view(strings, [1] * len(strings), entropy=False),))
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    suffix = posixpath.splitext(path)[1].lower()
    views = [_view(lines)]
    if suffix in _JSON:
        views.append(_view(*_json_strings(lines)))
    elif suffix not in _CODE:
        views.append(_assignments(lines, words=suffix not in _PROSE))
    return ReadableText(False, tuple(view for view in views if view.pieces))


def decode(data: bytes) -> str | None:
    """Return bytes as text; None if they are binary.

    Text that is not UTF-8 is decoded as Latin-1.
    """
    encoding = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), None)
    if encoding is not None:
        return _decode_strictly(data, encoding)
    wide = _wide(data) if b"\0" in data else None
    if wide is not None and (text := _decode_strictly(data, wide)) is not None:
        return text
    control = len(data) - len(data.translate(None, _CONTROL))
    if control > len(data) * _MOST_CONTROL:
        return None
    return _decode_strictly(data, "utf-8-sig") or data.decode("latin-1")


def _decode_strictly(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None


def _wide(data: bytes) -> str | None:
    """Return the encoding of UTF-16 text without a byte order mark."""
    even, odd = data[:4096:2].count(0), data[1:4096:2].count(0)
    half = len(data[:4096]) // 2
    if len(data) % 2 or min(even, odd) > half * 0.05 or max(even, odd) < half * 0.4:
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _view(
    lines: list[str], numbers: list[int] | None = None, words: bool = True, entropy: bool = True
) -> View:
    if max(map(len, lines), default=0) <= _PIECE:
        return View(lines, list(range(len(lines))), lines, numbers or [], words, entropy)
    pieces, sources = [], []
    for index, line in enumerate(lines):
        for start in range(0, max(len(line) - _OVERLAP, 1), _PIECE - _OVERLAP):
            pieces.append(line[start : start + _PIECE])
            sources.append(index)
    return View(pieces, sources, lines, numbers or [], words, entropy)


def _json_strings(lines: list[str]) -> tuple[list[str], list[int]]:
    """Return the lines in strings with escapes, with the number of each string's line."""
    found: list[str] = []
    numbers: list[int] = []
    for number, line in enumerate(lines, 1):
        if "\\" not in line:
            continue
        for text in _unescaped(line):
            found.append(text)
            numbers.append(number)
    return found, numbers


def _unescaped(line: str) -> Iterator[str]:
    for match in _JSON_STRING.finditer(line):
        if "\\" not in match[0]:
            continue
        try:
            text = str(json.loads(match[0], strict=False))
        except ValueError:
            continue  # the first view holds this line unchanged
        yield from text.splitlines()


def _assignments(lines: list[str], words: bool) -> View:
    """Return a view of values without quotes, which it puts in quotes."""
    pieces, sources = [], []
    for index, line in enumerate(lines):
        if "=" not in line and ":" not in line:
            continue
        for match in _ASSIGNMENT.finditer(line):
            pieces.append(f'{match[1]} = "{match[2][:_PIECE]}"')
            sources.append(index)
    return View(pieces, sources, lines, [], words, quoted=False)
