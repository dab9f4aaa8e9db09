"""The test files of a source tree, as pytest and unittest find them, and as they are written.

The name of a file is not enough: ``test_model.py`` can be a script that evaluates a model on its
test data. It counts if it defines a test, and no stage runs it.
"""

from __future__ import annotations

import ast
import configparser
import fnmatch
import posixpath
import tomllib
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_NAMES = ("test_*.py", "*_test.py", "test*.py")
_DIRECTORIES = frozenset({"test", "tests"})
_MOST_BYTES = 4 << 20
#: The files that pytest reads its settings from, in its order, with the section.
_INI = (
    ("pytest.ini", "pytest"),
    (".pytest.ini", "pytest"),
    ("pyproject.toml", ""),
    ("tox.ini", "pytest"),
    ("setup.cfg", "tool:pytest"),
)


@dataclass(frozen=True, slots=True)
class PytestSettings:
    """The settings of the project that decide where pytest looks for tests.

    Attributes:
        renamed: whether functions or classes of tests have other names than usual.
    """

    paths: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    renamed: bool = False


def load_settings(root: Path) -> PytestSettings:
    """Return the settings of the first file that has some; defaults if it is unreadable."""
    for name, section in _INI:
        try:
            values = _read_section(root / name, section)
        except (OSError, ValueError, TypeError, AttributeError, configparser.Error):
            continue  # pytest itself reports it
        if values is not None:
            renamed = not {"python_functions", "python_classes"}.isdisjoint(values)
            paths, names = _words(values.get("testpaths")), _words(values.get("python_files"))
            return PytestSettings(paths, names, renamed)
    return PytestSettings()


def _read_section(path: Path, section: str) -> Mapping[str, Any] | None:
    text = path.read_text("utf-8")
    if not section:
        found = tomllib.loads(text).get("tool", {}).get("pytest", {}).get("ini_options")
        return None if found is None else dict(found)
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    return dict(parser[section]) if parser.has_section(section) else None


def _words(value: object) -> tuple[str, ...]:
    listed = value.split() if isinstance(value, str) else value
    return tuple(map(str, listed)) if isinstance(listed, list | tuple) else ()


def find_tests(
    root: Path, files: Sequence[str], run: Collection[str], settings: PytestSettings
) -> list[str]:
    """Return the files with tests.

    Args:
        files: paths of the source tree.
        run: files that stages run.
    """
    names = (*_NAMES, *settings.names)
    scripts = {path for path in run if not is_named_like_tests(path)}
    named = (path for path in files if path.endswith(".py") and path not in scripts)
    candidates = (path for path in named if _matches(posixpath.basename(path), names))
    return [path for path in candidates if settings.renamed or _has_tests(root / path)]


def find_test_code(root: Path, files: Sequence[str], run: Collection[str]) -> frozenset[str]:
    """Return the files with tests, and the other Python in directories of tests: ``conftest.py``.

    Args:
        root: a directory with the files. Pytest's settings do not count: they are the branch's.
        files: paths of the source tree.
        run: files that stages run; they are no tests, wherever they are.
    """
    found = find_tests(root, files, run, PytestSettings())
    beside = (path for path in files if not _DIRECTORIES.isdisjoint(path.split("/")[:-1]))
    return frozenset((*found, *beside)) - frozenset(run)


def may_be_test_code(path: str) -> bool:
    """Say whether a file has the name of tests, or is in a directory of tests."""
    *above, name = path.split("/")
    return _matches(name, _NAMES) or not _DIRECTORIES.isdisjoint(above)


def is_named_like_tests(path: str) -> bool:
    """Say whether a file has the name of tests, and is in a directory of tests."""
    *above, name = path.split("/")
    return _matches(name, _NAMES) and not _DIRECTORIES.isdisjoint(above)


def is_below(path: str, directories: Collection[str]) -> bool:
    """Say whether a path is one of some directories, or in one."""
    return any(
        path == one.rstrip("/") or path.startswith(f"{one.rstrip('/')}/") for one in directories
    )


def _matches(name: str, patterns: Collection[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _has_tests(path: Path) -> bool:
    """Say whether a file defines a test; one that cannot be read or parsed may."""
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(content)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return True
    return any(map(_is_test, _definitions(tree)))


def _definitions(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the statements of a module and of the blocks in it, but not those of functions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.ExceptHandler):
            yield child
            if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield from _definitions(child)


def _is_test(node: ast.AST) -> bool:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return node.name.startswith("test_")
    if not isinstance(node, ast.ClassDef):
        return False
    bases = {
        part.attr if isinstance(part, ast.Attribute) else getattr(part, "id", "")
        for part in node.bases
    }
    cases = any(name.endswith("TestCase") for name in bases)
    methods = any(
        isinstance(one, ast.FunctionDef) and one.name.startswith("test") for one in node.body
    )
    return methods and (cases or node.name.startswith("Test")) or cases
