"""The parser of Pipfile.lock: one table for each category of packages, in JSON."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from security.advisories.packages.line_finder import LineFinder
from security.advisories.packages.package import Package, PackageList, Skipped, SkipReason, shorten
from security.advisories.packages.requirements import build_package, pinned_version
from security.content.document import DocumentError, parse_json

_ELSEWHERE = frozenset({"git", "path", "file", "hg", "svn", "bzr", "ref", "editable"})


def parse_pipfile_lock(text: str) -> PackageList:
    """Parse Pipfile.lock."""
    try:
        document = parse_json(text.encode("utf-8"))
    except DocumentError as error:
        return PackageList.collect([Skipped.file(error.message)])
    tables = document if isinstance(document, dict) else {}
    lines = LineFinder(text)
    return PackageList.collect(
        one
        for category, packages in tables.items()
        if category != "_meta"
        for one in _parse_category(category, packages, lines)
    )


def _parse_category(
    category: str, packages: object, lines: LineFinder
) -> Iterator[Package | Skipped]:
    if not isinstance(packages, dict):
        yield Skipped(shorten(category), 1, SkipReason.NOT_UNDERSTOOD, "not a table")
        return
    for name, entry in packages.items():
        yield _parse_entry(name, entry, lines.line_of(f'"{name}"'))


def _parse_entry(name: str, entry: object, line: int) -> Package | Skipped:
    if not isinstance(entry, dict) or _ELSEWHERE & entry.keys():
        return Skipped(shorten(name), line, SkipReason.NOT_FROM_INDEX)
    try:
        version = pinned_version(SpecifierSet(str(entry.get("version", ""))))
    except InvalidSpecifier:
        version = None
    if version is None:
        return Skipped(shorten(name), line, SkipReason.NOT_PINNED)
    return build_package(name, version, line)
