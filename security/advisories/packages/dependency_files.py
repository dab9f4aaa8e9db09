"""The dependency files of a source tree: their packages, and entries that hide packages.

The author of these files can try to hide a package from the scan:

1. A file must be UTF-8, also for pip: a ``coding:`` comment with another encoding is refused. In
   another encoding a comment can be a requirement.
2. The number of bytes, lines and nested keys is limited, generously for real lock files.
3. A file that another one includes is read as well, or reported; no file outside the source tree is
   opened.
4. A local directory of the tree is the project's own code; any other address hides a package.
"""

from __future__ import annotations

import codecs
import os
import posixpath
import re
import stat
import tomllib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from security.advisories.packages.lock_files import parse_lock_file
from security.advisories.packages.package import Package, PackageList, Skipped, SkipReason
from security.advisories.packages.requirements import parse_requirements
from security.content.printable import printable

MOST_BYTES = 32 << 20
MOST_LINES = 300_000
MOST_DOTS = 16

_LOCK_FILE = re.compile(r"pylock[^/]*\.toml|uv\.lock|poetry\.lock|pdm\.lock", re.IGNORECASE)
_REQUIREMENTS = re.compile(r"[^/]*requirements[^/]*\.(txt|lock)", re.IGNORECASE)
_IN_REQUIREMENTS = re.compile(r"(.*/)?requirements/[^/]*\.(txt|lock)", re.IGNORECASE)
_CONSTRAINTS = re.compile(r"[^/]*constraints[^/]*\.txt", re.IGNORECASE)
_NOT_READ = frozenset({"pipfile.lock", "conda-lock.yml"})
_TABLE = re.compile(r"^[ \t]*+\[\[packages?\]\]", re.MULTILINE)
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_CODING = re.compile(rb"coding[:=]\s*([-\w.]+)")
_INCLUDE = re.compile(r"(-r|--requirement|-c|--constraint)[\s=]*(.+)")
_EDITABLE = re.compile(r"(?:-e|--editable(?=[\s=]))[\s=]*(\S+)")
_EXTRAS = re.compile(r"\[[^\]]*\]$")
_ARCHIVE = re.compile(r"\.(whl|zip|egg|tar|tgz|tar\.\w+)$", re.IGNORECASE)
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
class Listing:
    """The content of the dependency files of a source tree.

    Attributes:
        hidden: entries that can install packages outside the list: place, entry and reason.
        own: number of entries that are the project's own directories.
    """

    packages: tuple[Listed, ...]
    hidden: tuple[str, ...]
    own: int


class _Refused(Exception):
    """A file is not parsed; the message is the reason."""


@dataclass(slots=True)
class _Budget:
    """The remaining bytes and lines, over all files."""

    bytes: int = field(default_factory=lambda: MOST_BYTES)
    lines: int = field(default_factory=lambda: MOST_LINES)


@dataclass(frozen=True, slots=True)
class _Parsed:
    """The packages of one file; for a lock file also the names of directories of the tree."""

    list: PackageList
    own: frozenset[str] | None = None


def is_dependency_file(path: str) -> bool:
    """Say whether the name of a file is that of a dependency file."""
    name = path.rpartition("/")[2]
    named = (_LOCK_FILE, _REQUIREMENTS, _CONSTRAINTS)
    return (
        any(pattern.fullmatch(name) for pattern in named)
        or _IN_REQUIREMENTS.fullmatch(path) is not None
        or name.lower() in _NOT_READ
    )


def read_dependency_files(root: Path, paths: Sequence[str]) -> Listing:
    """Read the dependency files of a source tree.

    Args:
        root: root of the tree.
        paths: paths of the files, relative to the root.
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
            if _is_own(skipped, one.own):  # 4
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
    return Listing(named, tuple(hidden), own)


def _parse_files(root: Path, paths: Sequence[str]) -> tuple[dict[str, _Parsed], list[str]]:
    """Parse files; return the results by path, and the refused files with their reasons."""
    parsed: dict[str, _Parsed] = {}
    refused: list[str] = []
    budget = _Budget()
    for path in paths:
        try:
            parsed[path] = _parse(_read_text(root, path, budget), path)  # 1, 2
        except _Refused as reason:
            refused.append(f"{printable(path)}: {reason}")
    return parsed, refused


def _is_harmless(path: str, skipped: Skipped, read: Collection[str], constrains: bool) -> bool:
    """Say whether an entry hides no package.

    A range in a constraints file installs nothing, and an included file that was read has its own
    entries.
    """
    if skipped.reason is SkipReason.NOT_PINNED:
        return constrains
    targets = [target for _, target in _includes(path, [skipped])]
    return bool(targets) and targets[0] in read  # 3


def _describe(path: str, skipped: Skipped) -> str:
    detail = f": {skipped.detail}" if skipped.detail else ""
    text = printable(skipped.text, 80)
    return f"{printable(path)}:{skipped.line}: {text} ({skipped.reason.value}{detail})"


def _read_text(root: Path, path: str, budget: _Budget) -> str:
    """Read a file as text, and subtract its size from the budget."""
    name = path.rpartition("/")[2].lower()
    if name in _NOT_READ:
        raise _Refused("unsupported format")
    content = _read_bytes(root / path, budget.bytes)
    if len(content) > budget.bytes:
        raise _Refused(f"dependency files exceed the total limit: {MOST_BYTES >> 20} MiB")
    if not _LOCK_FILE.fullmatch(name):
        _verify_encoding(content)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise _Refused("not UTF-8") from None
    lines = len(text.splitlines())
    if lines > budget.lines:
        raise _Refused(f"dependency files exceed the total limit: {MOST_LINES} lines")
    budget.bytes -= len(content)
    budget.lines -= lines
    return text


def _read_bytes(path: Path, most: int) -> bytes:
    """Read up to one byte more than the limit, from a regular file and through no link."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(handle, "rb") as stream:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise _Refused("not a regular file")
            return stream.read(most + 1)
    except OSError as error:
        raise _Refused(f"cannot read file: {error.strerror}") from error


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
            raise _Refused(f"declares an encoding other than UTF-8: {printable(name, 40)}")


def _parse(text: str, path: str) -> _Parsed:
    if not _LOCK_FILE.fullmatch(path.rpartition("/")[2]):
        if not path.lower().endswith(".lock") or not _TABLE.search(text):
            return _Parsed(parse_requirements(text))
    if _DOTTED.search(_QUOTED.sub("q", text)):
        raise _Refused(f"keys nested deeper than {MOST_DOTS} levels")
    found = parse_lock_file(text)
    local = any(one.reason is SkipReason.NOT_FROM_INDEX for one in found.skipped)
    return _Parsed(found, _name_own(text, posixpath.dirname(path)) if local else frozenset())


def _name_own(text: str, directory: str) -> frozenset[str]:
    """Return the names of packages that a lock file takes only from directories of the tree."""
    document = tomllib.loads(text)
    own: dict[str, bool] = {}
    for entry in document.get("packages", document.get("package", [])):
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
