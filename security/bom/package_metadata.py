"""The metadata of installed packages: licences and requirements, from their files.

Metadata are foreign text. Bytes outside UTF-8 become escapes, and malformed requirements are kept
as such.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from packaging.markers import UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement

from security.gates.tool.installed_package import canonical_name

_MOST_BYTES = 1 << 20
_LONGEST_NAME = 100
_LONGEST_REQUIREMENT = 4096
_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


@dataclass(frozen=True, slots=True)
class PackageMetadata:
    """The metadata of a package.

    Attributes:
        licences: one SPDX expression, or names; may be empty.
        requirements: requirements of other packages, unparsed.
    """

    licences: tuple[str, ...]
    requirements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Needs:
    """The packages that a package needs in one environment, and its malformed requirements."""

    names: tuple[str, ...]
    unreadable: tuple[str, ...]


def read_metadata_header(location: str) -> bytes:
    """Read the header of the metadata in a ``*.dist-info`` or ``*.egg-info``.

    Raises:
        OSError: they cannot be read.
        ValueError: they are too large.
    """
    inner = "METADATA" if location.endswith(".dist-info") else "PKG-INFO"
    path = os.path.join(location, inner) if os.path.isdir(location) else location
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(f"not a regular file: {inner}")
        content = stream.read(_MOST_BYTES)
    header, end, _ = content.replace(b"\r\n", b"\n").partition(b"\n\n")
    if not end and len(content) == _MOST_BYTES:
        raise ValueError(f"metadata of more than {_MOST_BYTES >> 20} MiB")
    return header


def parse_metadata(header: bytes) -> PackageMetadata:
    """Parse the header of metadata (core metadata specification)."""
    fields: dict[str, list[str]] = {}
    for name, value in _fields(header.decode("utf-8", "backslashreplace")):
        fields.setdefault(name, []).append(value)
    return PackageMetadata(_find_licences(fields), tuple(fields.get("requires-dist", ())))


def _fields(text: str) -> Iterator[tuple[str, str]]:
    """Yield the fields, each with its continuation lines."""
    name, lines = "", list[str]()
    for line in text.split("\n"):
        if line[:1] in (" ", "\t"):
            lines.append(line.strip(" \t|"))
            continue
        if name:
            yield name, "\n".join(lines).strip()
        field, colon, value = line.partition(":")
        name, lines = (field.strip().lower() if colon else ""), [value.strip()]
    if name:
        yield name, "\n".join(lines).strip()


def _find_licences(fields: Mapping[str, list[str]]) -> tuple[str, ...]:
    """Find licences: an expression, or a one-line name, or classifiers, or a text."""
    expressions = [one for one in fields.get("license-expression", ()) if one]
    if expressions:
        return tuple(expressions)
    written = [one for one in fields.get("license", ()) if one and one.upper() != "UNKNOWN"]
    names = [one for one in written if "\n" not in one and len(one) <= _LONGEST_NAME]
    if names:
        return tuple(names)
    classified = [one for one in fields.get("classifier", ()) if one.startswith("License ::")]
    if classified:
        return tuple(one.rpartition("::")[2].strip() for one in classified)
    return tuple(one.split("\n", 1)[0][:_LONGEST_NAME] for one in written)


def resolve_needs(
    requirements: Mapping[str, tuple[str, ...]], environment: Mapping[str, str]
) -> dict[str, Needs]:
    """Return the installed packages that each installed package needs.

    An extra counts if another installed package requires it.

    Args:
        requirements: requirements in the metadata, by normalized name.
        environment: the environment of markers.
    """
    extras: dict[str, set[str]] = {name: {""} for name in requirements}
    needs: dict[str, Needs] = {}
    waiting = list(requirements)
    while waiting:
        name = waiting.pop()
        found: dict[str, set[str]] = {}
        unreadable: list[str] = []
        for text in requirements[name]:
            _add_need(text, requirements, extras[name], environment, found, unreadable)
        needs[name] = Needs(tuple(sorted(found)), tuple(unreadable))
        for needed, wanted in found.items():
            if not wanted <= extras[needed]:
                extras[needed] |= wanted
                waiting.append(needed)
    return needs


def _add_need(
    text: str,
    installed: Mapping[str, object],
    extras: set[str],
    environment: Mapping[str, str],
    found: dict[str, set[str]],
    unreadable: list[str],
) -> None:
    named = _NAME.match(text[:_LONGEST_REQUIREMENT])
    if named and canonical_name(named[1]) not in installed:
        return  # the usual case; parsing takes long
    try:
        if len(text) > _LONGEST_REQUIREMENT:
            raise InvalidRequirement("too long")
        requirement = Requirement(text)
        marker = requirement.marker
        holds = marker is None or any(
            marker.evaluate({**environment, "extra": extra}) for extra in sorted(extras)
        )
    except (InvalidRequirement, UndefinedEnvironmentName, ValueError, RecursionError):
        unreadable.append(text)
        return
    if holds:
        wanted = found.setdefault(canonical_name(requirement.name), set())
        wanted |= {canonical_name(extra) for extra in requirement.extras}
