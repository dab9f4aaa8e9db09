"""The parser of lock files: pylock.toml (PEP 751), uv.lock, poetry.lock and pdm.lock."""

from __future__ import annotations

import re
import tomllib

from security.advisories.packages.package import Package, PackageList, Skipped, SkipReason, shorten
from security.advisories.packages.requirements import build_package

# Sources other than an index in the files of uv and poetry.
_LOCAL_SOURCES = frozenset(
    {"virtual", "editable", "directory", "path", "git", "url", "file", "legacy-directory"}
)
_LOCAL_KEYS = ("vcs", "directory", "archive", "path", "git", "url")
_TABLE = re.compile(r"^\[\[packages?\]\]\s*(#.*)?$")


def parse_lock_file(text: str) -> PackageList:
    """Parse a lock file in TOML: ``[[packages]]`` of PEP 751, or ``[[package]]`` of the others.

    The project itself, which such a file can list as a local package, is skipped with that reason.
    """
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        detail = shorten(str(error))
        return PackageList((), (Skipped("the file", 1, SkipReason.NOT_UNDERSTOOD, detail),))
    entries = document.get("packages", document.get("package"))
    if not isinstance(entries, list):
        detail = "no [[packages]] and no [[package]]"
        return PackageList((), (Skipped("the file", 1, SkipReason.NOT_UNDERSTOOD, detail),))
    lines = [n for n, line in enumerate(text.splitlines(), 1) if _TABLE.match(line.strip())]
    if len(lines) != len(entries):
        lines = [1] * len(entries)  # the file does not have one table per package
    found = [_parse_entry(entry, line) for entry, line in zip(entries, lines, strict=True)]
    return PackageList(
        tuple(one for one in found if isinstance(one, Package)),
        tuple(one for one in found if isinstance(one, Skipped)),
    )


def _parse_entry(entry: object, line: int) -> Package | Skipped:
    if not isinstance(entry, dict):
        return Skipped(shorten(str(entry)), line, SkipReason.NOT_UNDERSTOOD, "not a table")
    name, version = entry.get("name"), entry.get("version")
    if not isinstance(name, str) or not name:
        return Skipped("a package", line, SkipReason.NOT_UNDERSTOOD, "no name")
    if _is_local(entry):
        return Skipped(shorten(name), line, SkipReason.NOT_FROM_INDEX)
    if not isinstance(version, str) or not version:
        return Skipped(shorten(name), line, SkipReason.NOT_PINNED)
    return build_package(name, version, line)


def _is_local(entry: dict[str, object]) -> bool:
    source = entry.get("source")
    if isinstance(source, dict):
        return bool(_LOCAL_SOURCES & ({str(source.get("type", ""))} | set(source) - {"url"}))
    return any(key in entry for key in _LOCAL_KEYS)
