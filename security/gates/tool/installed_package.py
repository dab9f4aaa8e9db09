"""Installed packages: names, versions and sources in ``*.dist-info`` and ``*.egg-info``."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9!+.*_-]{1,128}")


@dataclass(frozen=True, slots=True)
class InstalledPackage:
    """One installed distribution.

    Attributes:
        location: of its ``*.dist-info`` or ``*.egg-info``.
        editable: its code is a working directory, which may change under the same version.
        direct_url: its source, if not a package index; may be empty.
        revision: the commit or archive digest of that source; may be empty.
    """

    name: str
    version: str
    location: str
    editable: bool = False
    direct_url: str = ""
    revision: str = ""

    @property
    def key(self) -> str:
        """Return the normalized name."""
        return canonical_name(self.name)


def canonical_name(name: str) -> str:
    """Normalize the name of a distribution (PyPA specification, name normalization)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_packages(path: str, site: bool, unreadable: list[str]) -> Iterator[InstalledPackage]:
    """Read all metadata in a site, or in the working directory of an editable package."""
    for name in sorted(os.listdir(path)):
        location = os.path.join(path, name)
        try:
            if name.endswith((".dist-info", ".egg-info")):
                yield _read_package(location, name, site)
            elif name.endswith(".egg"):
                unreadable.append(f"{location}: eggs are not supported")
        except (OSError, ValueError) as error:
            unreadable.append(f"{location}: {error}")


def _read_package(location: str, name: str, site: bool) -> InstalledPackage:
    """Read the metadata of one package; raise OSError or ValueError if it is invalid."""
    stem, kind = os.path.splitext(name)
    if kind == ".egg-info":
        inner = os.path.join(location, "PKG-INFO") if os.path.isdir(location) else location
        return InstalledPackage(*_parse_metadata(read_start(inner)), location, editable=not site)
    written, version = _parse_metadata(read_start(os.path.join(location, "METADATA")))
    if canonical_name(stem.rpartition("-")[0]) != canonical_name(written):
        raise ValueError(f"metadata of another package: {written}")
    return InstalledPackage(written, version, location, *_read_origin(location))


def _parse_metadata(content: bytes) -> tuple[str, str]:
    """Return name and version (core metadata specification: both once, in the header)."""
    header = b"\n" + content.replace(b"\r\n", b"\n").partition(b"\n\n")[0]
    lower, found = header.lower(), []
    for field, pattern in ((b"\nname:", _NAME), (b"\nversion:", _VERSION)):
        at = lower.find(field) + len(field)
        value = header[at:].partition(b"\n")[0].strip().decode("utf-8", "replace")
        if lower.count(field) != 1 or not pattern.fullmatch(value):
            raise ValueError(f"invalid metadata: {field[1:-1].decode()}")
        found.append(value)
    return found[0], found[1]


def _read_origin(location: str) -> tuple[bool, str, str]:
    """Return whether it is editable, its URL and revision (direct_url.json specification)."""
    try:
        content = read_start(os.path.join(location, "direct_url.json"))
    except FileNotFoundError:
        return False, "", ""
    try:
        origin = json.loads(content)
        editable = origin.get("dir_info", {}).get("editable", False) is True
        archive = origin.get("archive_info", {})
        hashes = archive.get("hashes") or {"": archive.get("hash", "")}
        revision = origin.get("vcs_info", {}).get("commit_id", "") or min(hashes.values())
        return editable, str(origin["url"]), str(revision)
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise ValueError(f"invalid direct_url.json: {type(error).__name__}") from error


def read_start(path: str) -> bytes:
    """Return the first 64 KiB of a regular file; reading a pipe would block forever."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(f"not a regular file: {os.path.basename(path)}")
        return os.read(handle, 64 << 10)
    finally:
        os.close(handle)
