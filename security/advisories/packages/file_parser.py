"""The parser of one dependency file, chosen by its kind or, for a candidate, by its content."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from security.advisories.packages.conda_files import (
    parse_conda_lock,
    parse_environment,
    parse_explicit,
    parse_pixi_lock,
)
from security.advisories.packages.declarations import (
    parse_manifest,
    parse_script,
    parse_setup_cfg,
    parse_setup_py,
)
from security.advisories.packages.file_kind import FileKind
from security.advisories.packages.lock_files import parse_lock_file
from security.advisories.packages.package import PackageList, Skipped, SkipReason
from security.advisories.packages.pipfile_lock import parse_pipfile_lock
from security.advisories.packages.requirements import parse_requirements
from security.advisories.packages.wish import as_wish

_PIN = re.compile(r"^[ \t]*[A-Za-z0-9][\w.-]*[ \t]*(?:\[[^\]\n]*\])?[ \t]*===?", re.MULTILINE)
_TABLE = re.compile(r"^[ \t]*+\[\[packages?\]\]", re.MULTILINE)
#: What makes a candidate a file of a kind: all patterns occur in its text.
_CONTENT = (
    ((r"^@EXPLICIT\s*$",), FileKind.CONDA_EXPLICIT),
    ((_TABLE.pattern,), FileKind.LOCK),
    ((r"^package:", r"^[ \t-]+manager: (?:conda|pip)"), FileKind.CONDA_LOCK),
    ((r"^packages:", r"^- (?:conda|pypi|kind): "), FileKind.PIXI_LOCK),
    ((r"^dependencies:",), FileKind.CONDA_ENVIRONMENT),
)


def classify(text: str, path: str) -> FileKind | None:
    """Return the kind of a candidate by its content; None if it is no list of packages.

    Requirements count if one of them is pinned, and all others can be parsed. An environment of
    conda counts if it has channels, or all its dependencies can be parsed.
    """
    for patterns, kind in _CONTENT:
        if all(re.search(pattern, text, re.MULTILINE) for pattern in patterns):
            whole = kind is FileKind.CONDA_ENVIRONMENT and "channels:" not in text
            return kind if not whole or _is_whole(parse_environment(text)) else None
    if path.lower().endswith((".yml", ".yaml")) or not _PIN.search(text):
        return None
    listed = parse_requirements(text)
    return FileKind.WISHES if listed.packages and _is_whole(listed) else None


def _is_whole(listed: PackageList) -> bool:
    odd = any(one.reason is SkipReason.NOT_UNDERSTOOD for one in listed.skipped)
    return not odd and bool(listed.packages or listed.skipped)


def parse_file(text: str, kind: FileKind) -> PackageList:
    """Parse the text of a dependency file."""
    return _PARSERS[kind](text)


def is_toml_lock(text: str, kind: FileKind) -> bool:
    """Say whether a file is a lock file in TOML; a requirements file may hold one."""
    named = kind in (FileKind.LOCK, FileKind.PYLOCK)
    return named or (kind is FileKind.REQUIREMENTS and _TABLE.search(text) is not None)


def _parse_requirements(text: str) -> PackageList:
    return parse_lock_file(text) if _TABLE.search(text) else parse_requirements(text)


def _parse_wishes(text: str) -> PackageList:
    listed = parse_requirements(text)
    return PackageList(listed.packages, tuple(map(as_wish, listed.skipped)))


def _parse_foreign(_: str) -> PackageList:
    return PackageList((), (Skipped("the file", 1, SkipReason.OTHER_INSTALLER),))


_PARSERS: Mapping[FileKind, Callable[[str], PackageList]] = {
    FileKind.REQUIREMENTS: _parse_requirements,
    FileKind.LOCK: lambda text: parse_lock_file(text, "package"),
    FileKind.PYLOCK: lambda text: parse_lock_file(text, "packages"),
    FileKind.PIPFILE_LOCK: parse_pipfile_lock,
    FileKind.CONDA_LOCK: parse_conda_lock,
    FileKind.CONDA_EXPLICIT: parse_explicit,
    FileKind.PIXI_LOCK: parse_pixi_lock,
    FileKind.CONDA_ENVIRONMENT: parse_environment,
    FileKind.MANIFEST: parse_manifest,
    FileKind.SETUP_CFG: parse_setup_cfg,
    FileKind.SETUP_PY: parse_setup_py,
    FileKind.SCRIPT: parse_script,
    FileKind.WISHES: _parse_wishes,
    FileKind.FOREIGN: _parse_foreign,
}
