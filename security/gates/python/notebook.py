"""The Python of Jupyter notebooks: their code cells, without the commands of IPython.

1. All code cells are read, whatever language the notebook says: the kernel decides at its start.
2. Lines of IPython that are no Python are replaced: magics, shell commands and help. Python behind
   a magic, as in ``%time f()``, stays, and so does the body of a cell magic that can be parsed.
3. A line that makes a cell unparsable is dropped and counted, so that it hides no other line.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

_MOST_DROPPED = 50
_INDENT = re.compile(r"[ \t]*")
_MAGIC = re.compile(r"([ \t]*)(?:[\w.,\[\] ]+=[ \t]*)?%{1,2}\w+[ \t]*(.*)")
_SHELL = re.compile(r"([ \t]*)(?:([\w.,\[\] ]+)=[ \t]*)?!.*")
_HELP = re.compile(r"([ \t]*)(?:\?{1,2}[\w.*%]+|%?[\w.*\[\]()'\"]+\?{1,2})[ \t]*")
_CELL_MAGIC = re.compile(r"\s*%%[^\n]*\n?")


@dataclass(frozen=True, slots=True)
class NotebookCode:
    """The Python of a notebook.

    Attributes:
        text: all cells, one after the other.
        places: for each line of the text, its cell and its line there, from 1.
        dropped: cells with lines that could not be parsed.
    """

    text: str
    places: tuple[tuple[int, int], ...]
    dropped: tuple[int, ...]


def read_notebook(content: bytes) -> NotebookCode | None:
    """Read the code of a notebook; None for text that Jupyter cannot read either."""
    try:
        cells = list(_cells(json.loads(content)))
    except (ValueError, RecursionError):
        return None
    lines: list[str] = []
    places: list[tuple[int, int]] = []
    dropped: list[int] = []
    for number, source in cells:  # 1
        code, complete = to_python(source)
        own = code.split("\n")
        lines += own
        places += [(number, line) for line in range(1, len(own) + 1)]
        if not complete:
            dropped.append(number)
    return NotebookCode("\n".join(lines) + "\n", tuple(places), tuple(dropped))


def _cells(document: object) -> Iterator[tuple[int, str]]:
    """Yield number and source of each code cell, in the formats 3 and 4."""
    top = document if isinstance(document, dict) else {}
    listed = [top.get("cells"), *_inner(top.get("worksheets"))]
    cells = [cell for one in listed if isinstance(one, list) for cell in one]
    for number, cell in enumerate(cells, start=1):
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            source = cell.get("source", cell.get("input", ""))
            yield number, "".join(map(str, source)) if isinstance(source, list) else str(source)


def _inner(worksheets: object) -> list[object]:
    listed = worksheets if isinstance(worksheets, list) else []
    return [one.get("cells") for one in listed if isinstance(one, dict)]


def to_python(source: str) -> tuple[str, bool]:
    """Return the Python of a cell with the same lines, and whether no line was dropped."""
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    magic = _CELL_MAGIC.match(source)
    if magic is not None:  # 2
        body = "\n" * magic[0].count("\n") + _replace(source[magic.end() :])
        foreign = not parses(body)
        return ("\n" * source.count("\n"), True) if foreign else (body, True)
    if parses(source):
        return source, True
    return _drop(_replace(source).split("\n"))


def _drop(lines: list[str]) -> tuple[str, bool]:
    """Drop the lines that the parser complains about."""  # 3
    complete = True
    for _ in range(_MOST_DROPPED):
        fault = _fault("\n".join(lines))
        if fault is None:
            return "\n".join(lines), complete
        complete = False
        place = min(max(fault, 1), len(lines)) - 1
        while place and not lines[place].strip(" \t"):
            place -= 1
        indent = _INDENT.match(lines[place])
        kept = f"{indent[0] if indent else ''}pass"
        lines[place] = "" if lines[place] == kept else kept
    return "\n" * (len(lines) - 1), False


def _replace(source: str) -> str:
    """Replace the lines of IPython, unless they are inside of a string or statement."""
    return "\n".join(map(_replace_line, source.split("\n")))


def _replace_line(line: str) -> str:
    if (magic := _MAGIC.fullmatch(line)) is not None:
        rest = re.sub(r"^(?:-\w+[ \t]+(?:\d+[ \t]+)?)*", "", magic[2])
        return magic[1] + (rest if rest and parses(rest) else "pass")
    if (shell := _SHELL.fullmatch(line)) is not None:
        return shell[1] + (f"{shell[2].strip()} = None" if shell[2] else "pass")
    if (help_ := _HELP.fullmatch(line)) is not None:
        return help_[1] + "pass"
    return line


def parses(text: str) -> bool:
    """Say whether a text is Python."""
    return _fault(text) is None


def _fault(text: str) -> int | None:
    """Return the line that the parser complains about; None for Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except SyntaxError as error:
        return error.lineno or 1
    except (ValueError, RecursionError, MemoryError):
        return 1
    return None
