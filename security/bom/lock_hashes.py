"""The file hashes of pinned packages in dependency files.

``security.advisories`` reads the packages; this module reads the hashes of the same text. Formats:
requirements files with ``--hash``, pylock.toml, uv.lock, poetry.lock and pdm.lock.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from security.advisories.packages.lock_files import entries_of, parse_lock_file
from security.advisories.packages.requirements import build_package, parse_requirements

_COMMENT = re.compile(r"(?:^|\s)#.*$")
_OPTION = re.compile(r"(?:^|\s)--hash[=\s]\s*([a-z0-9]+):([0-9a-fA-F]{32,128})(?=\s|$)")
_HASH = re.compile(r"([a-z0-9]+):([0-9a-fA-F]{32,128})")

#: Hashes as ``algorithm:hex``, by a package's name and version.
Hashes = Mapping[tuple[str, str], frozenset[str]]


def find_hashes(text: str) -> Hashes:
    """Find the hashes of the packages that a dependency file pins."""
    if parse_lock_file(text).packages:
        pairs = _in_lock_file(tomllib.loads(text))
    else:
        pairs = _in_requirements(text)
    found: dict[tuple[str, str], set[str]] = {}
    for key, hash in pairs:
        found.setdefault(key, set()).add(hash.lower())
    return {key: frozenset(hashes) for key, hashes in found.items()}


def _in_requirements(text: str) -> Iterator[tuple[tuple[str, str], str]]:
    lines = text.removeprefix("\ufeff").splitlines()  # as pip splits them
    for package in parse_requirements(text).packages:
        entry = _COMMENT.sub("", _join(lines[package.line - 1 :]))
        for algorithm, content in _OPTION.findall(entry):
            yield (package.name, package.version), f"{algorithm}:{content}"


def _join(lines: list[str]) -> str:
    """Join a line with its continuation lines, as pip does."""
    joined: list[str] = []
    for line in lines:
        if line.lstrip().startswith("#"):
            break
        joined.append(line.removesuffix("\\"))
        if not line.endswith("\\"):
            break
    return "".join(joined)


def _in_lock_file(document: dict[str, Any]) -> Iterator[tuple[tuple[str, str], str]]:
    for entry in entries_of(document):
        if isinstance(entry, dict) and isinstance(entry.get("version"), str):
            package = build_package(str(entry.get("name", "")), entry["version"], 1)
            for hash in _hashes_of(entry):
                if _HASH.fullmatch(hash):
                    yield (package.name, package.version), hash


def _hashes_of(entry: dict[str, Any]) -> Iterator[str]:
    """Yield the hashes of all files of a package."""
    files = [entry.get("sdist"), entry.get("archive")]
    for name in ("wheels", "files"):
        listed = entry.get(name)
        files += listed if isinstance(listed, list) else []
    for file in files:
        if isinstance(file, dict):
            if isinstance(file.get("hash"), str):
                yield file["hash"]
            hashes = file.get("hashes")
            if isinstance(hashes, dict):
                yield from (f"{name}:{value}" for name, value in hashes.items())
