"""The package that the name of a distribution file says: wheels, and packages of conda."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    canonicalize_version,
    parse_sdist_filename,
    parse_wheel_filename,
)

_CONDA = re.compile(r"(.+)-([^-]+)-[^-]+\.(?:conda|tar\.bz2)")


def file_of(address: str) -> str:
    """Return the name of the file that a URL or path names."""
    return unquote(urlsplit(address).path if "://" in address else address).rpartition("/")[2]


def parse_wheel(address: str) -> tuple[str, str] | None:
    """Return name and version of a wheel; None for another file."""
    try:
        name, version, *_ = parse_wheel_filename(file_of(address))
    except (InvalidWheelFilename, ValueError):
        return None
    return name, str(version)


def _parse_sdist(address: str) -> str | None:
    """Return the normalized name of a source archive; None for another file."""
    try:
        return str(parse_sdist_filename(file_of(address))[0])
    except (InvalidSdistFilename, ValueError):
        return None


def parse_conda_file(address: str) -> tuple[str, str] | None:
    """Return name and version of a conda package; None for another file."""
    found = _CONDA.fullmatch(file_of(address.partition("#")[0]))
    return (found[1], found[2]) if found else None


def name_mismatch(address: str, name: str, version: str) -> str:
    """Say which other package a file holds; empty if its name agrees or says nothing."""
    held = parse_wheel(address)
    if held is not None:
        expected = canonicalize_name(name), canonicalize_version(version)
        if (held[0], canonicalize_version(held[1])) != expected:
            return f"names a file of {held[0]} {held[1]}"
        return ""
    if (sdist := _parse_sdist(address)) is not None:
        # A version with a hyphen is split in the wrong place, so that its start has to do.
        expected_start = f"{canonicalize_name(name)}-"
        return "" if f"{sdist}-".startswith(expected_start) else f"names a file of {sdist}"
    held = parse_conda_file(address) if address.endswith((".conda", ".tar.bz2")) else None
    if held is not None and address.endswith(".conda") and held != (name, version):
        return f"names a file of {held[0]} {held[1]}"
    return ""
