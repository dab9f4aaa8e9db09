"""The dependency files of a source tree: their packages, and entries that hide packages.

The author of these files can try to hide a package from the scan:

1. The size of files, and the nesting of keys, is limited (``dependency_text``).
2. A file that another one includes is read as well, or reported; no file outside the source tree is
   opened.
3. A local directory of the tree is the project's own code; any other address hides a package.
4. A file whose name says nothing is read if its content is a list of packages.
"""

from __future__ import annotations

import posixpath
import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from security.advisories.packages.declarations import has_script_metadata
from security.advisories.packages.dependency_text import (
    DependencyFileError,
    ReadingBudget,
    read_candidate,
)
from security.advisories.packages.file_kind import FileKind, kind_of
from security.advisories.packages.file_parser import classify, is_toml_lock, parse_file
from security.advisories.packages.lock_files import entries_of
from security.advisories.packages.package import Package, PackageList, Skipped, SkipReason
from security.content.printable import printable

MOST_DOTS = 16

_CONSTRAINTS = re.compile(r"[^/]*constraints[^/]*\.(txt|lock|pip)", re.IGNORECASE)
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_INCLUDE = re.compile(r"(-r|--requirement|-c|--constraint)[\s=]*(.+)")
_EDITABLE = re.compile(r"(?:-e|--editable(?=[\s=]))[\s=]*(\S+)")
_EXTRAS = re.compile(r"\[[^\]]*\]$")
_ARCHIVE = re.compile(r"\.(whl|zip|egg|tar|tgz|tar\.\w+)$", re.IGNORECASE)
_TOML = (FileKind.LOCK, FileKind.PYLOCK, FileKind.MANIFEST)
# Quoted strings and comments of TOML; an unclosed one ends with its line, or with the
# text. The possessive quantifiers keep the search linear.
_QUOTED = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*+(?:"{3,5}|\Z)|\'\'\'(?:[^\']|\'(?!\'\'))*+(?:\'{3,5}|\Z)'
    r'|"(?:[^"\\\n]|\\.)*+"?|\'[^\'\n]*+\'?|#[^\n]*+',
    re.DOTALL,
)
_DOTTED = re.compile(rf"(?<![\w-])[\w-]++(?:[ \t]*+\.[ \t]*+[\w-]++){{{MOST_DOTS},}}")


@dataclass(frozen=True, slots=True)
class Listed:
    """A package, and the file that lists it, relative to the root of the tree."""

    package: Package
    path: str


@dataclass(frozen=True, slots=True)
class Wish:
    """An entry without a version, in a file that need not lock versions.

    Attributes:
        name: of the package; empty if the entry stands for a whole file.
        settled: whether files of this kind are usually for another purpose than to install, so
            that the entry is not worth a finding.
    """

    name: str
    text: str
    path: str
    line: int
    settled: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """The content of the dependency files of a source tree.

    Attributes:
        hidden: entries that can install packages outside the list: place, entry and reason.
        own: number of entries that are the project's own directories.
        wishes: entries whose version is decided by what is installed.
        locked: whether a file with exact versions was read.
    """

    packages: tuple[Listed, ...]
    hidden: tuple[str, ...]
    own: int
    wishes: tuple[Wish, ...] = ()
    locked: bool = False


@dataclass(frozen=True, slots=True)
class _Parsed:
    """The packages of one file; for a lock file also the names of directories of the tree."""

    kind: FileKind
    list: PackageList
    own: frozenset[str] | None = None


def read_dependency_files(root: Path, paths: Sequence[str]) -> Listing:
    """Read the dependency files of a source tree.

    Args:
        root: root of the tree.
        paths: paths of the files, relative to the root. A Python file is read for its inline
            metadata.
    """
    parsed, hidden = _parse_files(root, paths)
    required = {
        target
        for path, one in parsed.items()
        for option, target in _includes(path, one.list.skipped)
        if option in ("-r", "--requirement")
    }
    listed: list[Listed] = []
    own = 0
    for path, one in parsed.items():
        constrains = _is_constraints(path) and path not in required
        for skipped in one.list.unjudged:
            if _is_own(skipped, one.own):  # 3
                own += 1
            elif not _is_harmless(path, skipped, parsed, constrains):
                hidden.append(_describe(path, skipped))
        listed += [Listed(package, path) for package in one.list.packages]
    named = tuple(one for one in listed if _NAME.fullmatch(one.package.name))
    hidden += [
        f"{printable(one.path)}:{one.package.line}: {one.package.name!a:.80} (not a name)"
        for one in listed
        if not _NAME.fullmatch(one.package.name)
    ]
    wishes = tuple(wish for path, one in parsed.items() for wish in _wishes(path, one))
    locked = any(one.kind.pins for one in parsed.values())
    return Listing(named, tuple(hidden), own, wishes, locked)


def _parse_files(root: Path, paths: Sequence[str]) -> tuple[dict[str, _Parsed], list[str]]:
    """Parse files; return the results by path, and the refused files with their reasons."""
    parsed: dict[str, _Parsed] = {}
    refused: list[str] = []
    budget = ReadingBudget()
    known = set(paths)
    waiting = [(path, kind) for path in paths if (kind := _kind(root, path)) is not None]
    while waiting:
        path, kind = waiting.pop(0)
        if path in parsed:
            continue
        try:
            read = kind is not FileKind.FOREIGN
            for_pip = kind in (FileKind.REQUIREMENTS, FileKind.WISHES)
            text = budget.read_text(root / path, for_pip=for_pip) if read else ""  # 1
            parsed[path] = _parse(text, path, kind)
        except DependencyFileError as reason:
            refused.append(f"{printable(path)}: {reason}")
            continue
        follow = kind if kind is FileKind.WISHES else FileKind.REQUIREMENTS
        for _, target in _includes(path, parsed[path].list.skipped):  # 2
            if target in known and _kind(root, target) is None:
                waiting.append((target, follow))
    return parsed, refused


def _kind(root: Path, path: str) -> FileKind | None:
    """Return the kind of a file by its name or, for a candidate, by its content."""
    kind = kind_of(path)
    if kind is FileKind.CANDIDATE:  # 4
        text = read_candidate(root / path)
        found = classify(text, path) if text is not None else None
        return found or (FileKind.SCRIPT if text and has_script_metadata(text) else None)
    return FileKind.SCRIPT if kind is None else kind


def may_install(root: Path, path: str) -> bool:
    """Say whether an installer may read packages from a file, by its name or content."""
    return kind_of(path) is not None and _kind(root, path) is not None


def _wishes(path: str, one: _Parsed) -> Iterator[Wish]:
    """Return the entries without a version.

    pyproject.toml and its like declare what a package needs, in groups that need not be installed.
    """
    declares = one.kind in (FileKind.MANIFEST, FileKind.SETUP_CFG, FileKind.SETUP_PY)
    for skipped in one.list.wishes:
        name = re.match(r"[A-Za-z0-9][\w.-]*", skipped.text)
        whole = skipped.reason is SkipReason.OTHER_INSTALLER
        text = "" if whole else skipped.text
        settled = declares and not whole and "@" not in text
        yield Wish("" if whole or not name else name[0], text, path, skipped.line, settled)


def _is_harmless(path: str, skipped: Skipped, read: Collection[str], constrains: bool) -> bool:
    """Say whether an entry hides no package.

    A range in a constraints file installs nothing, and an included file that was read has its own
    entries.
    """
    if skipped.reason is SkipReason.NOT_PINNED:
        return constrains
    targets = [target for _, target in _includes(path, [skipped])]
    return bool(targets) and targets[0] in read  # 2


def _describe(path: str, skipped: Skipped) -> str:
    detail = f": {skipped.detail}" if skipped.detail else ""
    text = printable(skipped.text, 80)
    return f"{printable(path)}:{skipped.line}: {text} ({skipped.reason.value}{detail})"


def _parse(text: str, path: str, kind: FileKind) -> _Parsed:
    locks = is_toml_lock(text, kind)
    if (locks or kind in _TOML) and _DOTTED.search(_QUOTED.sub("q", text)):
        raise DependencyFileError(f"keys nested deeper than {MOST_DOTS} levels")
    found = parse_file(text, kind)
    if not locks:
        return _Parsed(kind, found)
    local = any(one.reason is SkipReason.NOT_FROM_INDEX for one in found.skipped)
    own = _name_own(text, posixpath.dirname(path)) if local else frozenset()
    return _Parsed(kind, found, own)


def _name_own(text: str, directory: str) -> frozenset[str]:
    """Return the names of packages that a lock file takes only from directories of the tree."""
    own: dict[str, bool] = {}
    for entry in entries_of(tomllib.loads(text)):
        if isinstance(entry, dict):
            name = str(entry.get("name", ""))
            own[name] = own.get(name, True) and _is_inside(directory, _directory_of(entry))
    return frozenset(name for name, is_own in own.items() if is_own)


def _directory_of(entry: dict[str, object]) -> str | None:
    """Return the source directory of an entry of a lock file; None if it has another source."""
    source, directory = entry.get("source"), entry.get("directory")
    if isinstance(source, dict):  # uv; poetry
        if source.get("type") == "directory":
            return _text(source.get("url"))
        if len(source) == 1:
            return next(
                (
                    _text(source[key])
                    for key in ("editable", "virtual", "directory")
                    if key in source
                ),
                None,
            )
    elif isinstance(directory, dict):  # PEP 751
        return _text(directory.get("path"))
    elif "path" in entry and not {"url", "git", "vcs", "archive"} & set(entry):  # pdm
        return _text(entry["path"])
    return None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _is_inside(directory: str, path: str | None) -> bool:
    """Say whether a path is in the tree and not an archive."""
    if not path or "://" in path or "\\" in path or not path.isprintable() or path[0] in "/~$-":
        return False
    first = posixpath.normpath(posixpath.join(directory, path)).partition("/")[0]
    return first != ".." and not _ARCHIVE.search(path)


def _is_own(skipped: Skipped, names: frozenset[str] | None) -> bool:
    """Say whether an entry is the project itself or another directory of its tree."""
    if names is not None:
        return skipped.reason is SkipReason.NOT_FROM_INDEX and skipped.text in names
    editable = _EDITABLE.fullmatch(skipped.text)
    path = editable[1] if editable else skipped.text
    if not (editable or path.startswith(".")) or re.search(r"[\s;@:�…]", path):
        return False
    return _is_inside("", _EXTRAS.sub("", path))  # pip starts from the root


def _is_constraints(path: str) -> bool:
    return _CONSTRAINTS.fullmatch(path.rpartition("/")[2]) is not None


def _includes(path: str, entries: Iterable[Skipped]) -> list[tuple[str, str]]:
    """Return the option and the file of each reference, relative to the root of the tree."""
    found = [
        _INCLUDE.fullmatch(one.text) for one in entries if one.reason is SkipReason.NOT_FOLLOWED
    ]
    here = posixpath.dirname(path)
    return [(one[1], posixpath.normpath(posixpath.join(here, one[2]))) for one in found if one]
