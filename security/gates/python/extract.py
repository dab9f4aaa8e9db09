"""Extracts: Python files made of notebooks and of the code in commands, for tools that read files.

A tool reports on an extract, and the gate reports on the place that the code comes from.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from security.content.printable import printable
from security.gates.python.notebook import parses, read_notebook
from security.gates.python.stage_commands import InlineCode


@dataclass(frozen=True, slots=True)
class Extract:
    """One Python file made of another file.

    Attributes:
        name: path of the extract, relative to the tool's directory.
        path: path of the file that the code comes from.
        places: for each line of the extract, what to call it.
        text: the code.
        unread: the parts that are no Python, which were left out.
    """

    name: str
    path: str
    places: tuple[str, ...]
    text: str
    unread: tuple[str, ...] = ()

    def place(self, line: int) -> str:
        """Return what to call a line of the extract."""
        return self.places[line - 1] if 0 < line <= len(self.places) else self.path


def extract_notebook(path: str, content: bytes, name: str) -> Extract:
    """Extract the code cells of a notebook."""
    code = read_notebook(content)
    if code is None:
        return Extract(name, path, (), "", ("the notebook",))
    places = tuple(f"cell {cell}, line {line}" for cell, line in code.places)
    return Extract(name, path, places, code.text, tuple(f"cell {one}" for one in code.dropped))


def extract_inline(code: InlineCode, name: str) -> Extract:
    """Extract the Python code in a command."""
    place = f"command of stage {printable(code.stage)}"
    if not parses(code.code):
        return Extract(name, code.file, (), "", (place,))
    lines = code.code.count("\n") + 1
    return Extract(name, code.file, (place,) * lines, code.code)


def write_extracts(directory: Path, extracts: Iterable[Extract]) -> None:
    """Write the extracts into the tool's directory.

    Raises:
        OSError: a file cannot be written.
    """
    for one in extracts:
        path = directory / one.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(one.text.encode("utf-8", "replace"))


def free_name(directory: Path, path: str, taken: Iterable[str] = ()) -> str:
    """Return the name of an extract that no file of the directory has."""
    known = set(taken)
    number = 0
    name = f"{path}.py"
    while name in known or (directory / name).exists():
        number += 1
        name = f"{path}.{number}.py"
    return name
