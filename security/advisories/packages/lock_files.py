"""The parser of lock files in TOML: pylock.toml (PEP 751), uv.lock, poetry.lock and pdm.lock.

An installer reads one of two tables: ``[[packages]]`` of PEP 751, or ``[[package]]`` of the others.
Both are read here, and a file that has both is refused: the second one hides what is installed. A
file that belongs to another package than its entry says is refused for the same reason.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

from security.advisories.packages.file_name import name_mismatch
from security.advisories.packages.package import Package, PackageList, Skipped, SkipReason, shorten
from security.advisories.packages.requirements import build_package

# Sources other than an index in the files of uv and poetry.
_LOCAL_SOURCES = frozenset(
    {"virtual", "editable", "directory", "path", "git", "url", "file", "legacy-directory"}
)
_LOCAL_KEYS = ("vcs", "directory", "archive", "path", "git", "url")
_TABLE = re.compile(r"^\[\[packages?\]\]\s*(#.*)?$")
_TABLES = ("packages", "package")


def parse_lock_file(text: str, table: str = "") -> PackageList:
    """Parse a lock file in TOML.

    The project itself, which such a file can list as a local package, is skipped with that reason.

    Args:
        table: name of the table that the installer reads; empty if the file's name does not say.
    """
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        return PackageList.collect([Skipped.file(str(error))])
    present = [name for name in _TABLES if name in document]
    entries = entries_of(document)
    if not present:
        return PackageList.collect([Skipped.file("no [[packages]] and no [[package]]")])
    lines = [n for n, line in enumerate(text.splitlines(), 1) if _TABLE.match(line.strip())]
    if len(lines) != len(entries) or len(present) > 1:
        lines = [1] * len(entries)  # the file does not have one table per package
    found = [
        one for entry, line in zip(entries, lines, strict=True) for one in _parse_entry(entry, line)
    ]
    return PackageList.collect([*_find_decoys(document, present, table), *found])


def entries_of(document: dict[str, object]) -> list[object]:
    """Return the entries of both tables."""
    return [
        entry
        for name in _TABLES
        if isinstance(listed := document.get(name), list)
        for entry in listed
    ]


def _find_decoys(document: dict[str, object], present: list[str], table: str) -> Iterator[Skipped]:
    """Return the reasons why readers of the file can see different packages."""
    if len(present) > 1:
        yield Skipped.file("both [[package]] and [[packages]]")
    elif table and present != [table]:
        yield Skipped.file(f"no [[{table}]]")
    for name in present:
        if not isinstance(document[name], list):
            yield Skipped.file(f"{name} is not a list of tables")


def _parse_entry(entry: object, line: int) -> Iterator[Package | Skipped]:
    if not isinstance(entry, dict):
        yield Skipped(shorten(str(entry)), line, SkipReason.NOT_UNDERSTOOD, "not a table")
        return
    name, version = entry.get("name"), entry.get("version")
    if not isinstance(name, str) or not name:
        yield Skipped("a package", line, SkipReason.NOT_UNDERSTOOD, "no name")
    elif _is_local(entry):
        yield Skipped(shorten(name), line, SkipReason.NOT_FROM_INDEX)
    elif not isinstance(version, str) or not version:
        yield Skipped(shorten(name), line, SkipReason.NOT_PINNED)
    else:
        yield build_package(name, version, line)
        for file in _files(entry):
            if detail := name_mismatch(file, name, version):
                yield Skipped(shorten(name), line, SkipReason.NOT_UNDERSTOOD, detail)
                return


def _files(entry: dict[str, object]) -> Iterator[str]:
    """Yield the names, paths or URLs of the files of an entry."""
    for key in ("sdist", "wheels", "files"):
        listed = entry.get(key)
        for one in listed if isinstance(listed, list) else [listed]:
            if isinstance(one, dict):
                yield from (str(one[key]) for key in ("name", "file", "url", "path") if key in one)


def _is_local(entry: dict[str, object]) -> bool:
    source = entry.get("source")
    if isinstance(source, dict):
        return bool(_LOCAL_SOURCES & ({str(source.get("type", ""))} | set(source) - {"url"}))
    return any(key in entry for key in _LOCAL_KEYS)
