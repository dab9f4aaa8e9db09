"""The Python files of a source tree, by name, by their first line, and by what runs them.

A file is Python if

1. its suffix says so;
2. a stage's command gives it to an interpreter;
3. its first line names an interpreter (``#!/usr/bin/env python3``);
4. a stage's command names it, and it can be parsed as Python and calls or imports something.

Files are read again only if they have changed.
"""

from __future__ import annotations

import ast
import os
import posixpath
import re
import stat
import warnings
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from security.gates.python.stage_commands import CommandCode, StageCommand, find_code

SUFFIXES = (".py", ".pyw", ".pyi")
COMPILED = (".pyc", ".pyo")
NOTEBOOK = ".ipynb"
_MOST_BYTES = 4 << 20
_FIRST_BYTES = 1024
_MOST_SHELL = 200_000
_MAKEFILES = ("Makefile", "makefile", "GNUmakefile", "justfile")
_DEEPEST = 4
#: Suffixes of files that nobody starts by their first line; a stage's command may name them.
_DATA = frozenset(
    ".bib .bmp .bz2 .cfg .css .csv .dvc .feather .geojson .gif .gitignore .gz .html .ini .jpeg .jpg"
    " .json .jsonl .lock .md .npy .npz .onnx .parquet .pdf .pkl .png .pt .pth .rst .safetensors"
    " .svg .tif .tiff .toml .tsv .txt .wav .xls .xlsx .xml .xz .yaml .yml .zip .zst".split()
)
_FIRST_LINE = re.compile(rb"#![^\n]*\b(?:i?python|pypy|uv run|uvx?\b[^\n]*--script)")
_METADATA = re.compile(rb"# /// script")
_LIKE_CODE = re.compile(rb"\bimport\b|[\w\])]\(")


class PythonFiles:
    """The Python files of one working tree.

    Args:
        root: of the tree.
        find_code: reads the commands of stages; called when first needed.
    """

    def __init__(self, root: Path, find_code: Callable[[], CommandCode] = CommandCode) -> None:
        self._root = root
        self._find_code = find_code
        self._known: dict[tuple[str, str], tuple[tuple[int, ...], bool]] = {}

    @cached_property
    def code(self) -> CommandCode:
        """The Python code of the stages' commands, and of the shell scripts that they start."""
        found = self._find_code()
        seen: set[str] = set()
        for _ in range(_DEEPEST):
            waiting = sorted(path for path in found.named | found.scripts if _is_shell(path))
            told = [self._read_shell(path) for path in waiting if path not in seen]
            seen.update(waiting)
            if not told:
                break
            found.add(find_code([one for commands in told for one in commands]))
        return found

    def _read_shell(self, path: str) -> list[StageCommand]:
        """Return the commands of a shell script or Makefile."""
        try:
            text = _read(self._root / path, _MOST_SHELL).decode("utf-8", "replace")
        except OSError:
            return []
        directory = posixpath.dirname(path) if posixpath.basename(path) in _MAKEFILES else ""
        places = dict.fromkeys((directory, posixpath.dirname(path), ""))
        return [StageCommand(path, path, place, text) for place in places]

    def is_script(self, path: str) -> bool:
        """Say whether a file without a suffix of Python is Python."""
        lower = path.lower()
        if lower.endswith((*SUFFIXES, *COMPILED, NOTEBOOK)):
            return False  # 1
        if path in self.code.scripts:  # 2
            return (self._root / path).is_file()
        named = path in self.code.named
        if not named and os.path.splitext(lower)[1] in _DATA:
            return False
        most = _MOST_BYTES if named else _FIRST_BYTES
        return self._ask("script", path, most, lambda data: _is_script(data, named))

    def has_metadata(self, path: str) -> bool:
        """Say whether a Python file has inline metadata (PEP 723)."""
        if not path.lower().endswith((*SUFFIXES, NOTEBOOK)) and not self.is_script(path):
            return False
        return self._ask("metadata", path, _MOST_BYTES, lambda data: bool(_METADATA.search(data)))

    def _ask(self, question: str, path: str, most: int, answer: Callable[[bytes], bool]) -> bool:
        try:
            status = os.lstat(self._root / path)
            stamp = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            known = self._known.get((question, path))
            if known is not None and known[0] == stamp:
                return known[1]
            found = stat.S_ISREG(status.st_mode) and answer(_read(self._root / path, most))
        except OSError:
            return False
        self._known[question, path] = (stamp, found)
        return found


def _is_shell(path: str) -> bool:
    name = posixpath.basename(path)
    return name in _MAKEFILES or name.endswith((".sh", ".bash", ".zsh", ".mk"))


def _read(path: Path, most: int) -> bytes:
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        start = file.read(_FIRST_BYTES)
        if b"\0" in start and not start.startswith(b"#!"):
            return start  # no text
        return start + file.read(most - _FIRST_BYTES)


def _is_script(data: bytes, named: bool) -> bool:
    if _FIRST_LINE.match(data):  # 3
        return True
    return named and _LIKE_CODE.search(data) is not None and acts(data)  # 4


def acts(source: bytes | str) -> bool:
    """Say whether a text is Python that imports or calls something."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    kinds = (ast.Import, ast.ImportFrom, ast.Call)
    return any(isinstance(node, kinds) for node in ast.walk(tree))
