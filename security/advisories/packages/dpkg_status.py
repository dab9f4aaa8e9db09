"""The parser of dpkg status files: Debian packages by source package and source version.

Debian's advisories name source packages. The field ``Source`` of a binary package names its source,
with the source's version in brackets if it differs (a rebuild ``1.2-3+b1`` has the source version
``1.2-3``); without the field, name and version of the binary package apply.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from security.advisories.packages.package import Package, PackageList, Skipped, SkipReason, shorten
from security.advisories.version import Ecosystem

_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]*")
_SOURCE = re.compile(r"([a-z0-9][a-z0-9+.-]*)(?:\s+\(([^()\s]+)\))?")
_WITHOUT_FILES = ("not-installed", "config-files")


def parse_dpkg_status(text: str, *, release: str) -> PackageList:
    """Parse ``/var/lib/dpkg/status``, or the concatenated files of ``status.d``.

    Args:
        release: ``VERSION_ID`` in Debian's os-release, such as ``12``. Empty if unknown: then the
            advisories of every release apply.
    """
    ecosystem = f"{Ecosystem.DEBIAN.value}:{release}" if release else Ecosystem.DEBIAN.value
    packages: list[Package] = []
    skipped: list[Skipped] = []
    for line, fields in _paragraphs(text):
        found = _parse_paragraph(fields, line, ecosystem)
        if isinstance(found, Package):
            packages.append(found)
        else:
            skipped.append(found)
    return PackageList(tuple(packages), tuple(skipped))


def _paragraphs(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the line and the fields of each paragraph, without continuation lines.

    A line that is neither a field nor a continuation is stored under the empty name, so that the
    paragraph is reported.
    """
    fields: dict[str, str] = {}
    start = 1
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.removesuffix("\r")
        if not line.strip():
            if fields:
                yield start, fields
            fields = {}
            continue
        if not fields:
            start = number
        if line[0] in " \t":
            if not fields:
                fields[""] = line
            continue
        name, colon, value = line.partition(":")
        key = name.strip().lower() if colon else ""
        if key in fields and key:
            fields[""] = f"duplicate field: {name}"
        elif key:
            fields[key] = value.strip()
        else:
            fields[""] = line
    if fields:
        yield start, fields


def _parse_paragraph(fields: dict[str, str], line: int, ecosystem: str) -> Package | Skipped:
    name, version = fields.get("package", ""), fields.get("version", "")
    status = fields.get("status", "install ok installed").split()
    listed_as = shorten(f"{name} {version}".strip()) or "a paragraph"
    if fields.get(""):
        return Skipped(listed_as, line, SkipReason.NOT_UNDERSTOOD, shorten(fields[""]))
    if not _NAME.fullmatch(name):
        return Skipped(listed_as, line, SkipReason.NOT_UNDERSTOOD, "no valid package name")
    if len(status) == 3 and status[2] in _WITHOUT_FILES:
        return Skipped(listed_as, line, SkipReason.NOT_INSTALLED)
    source = _SOURCE.fullmatch(fields.get("source", name))
    if source is None:
        return Skipped(listed_as, line, SkipReason.NOT_UNDERSTOOD, "no valid source package")
    if not version:
        return Skipped(listed_as, line, SkipReason.NOT_UNDERSTOOD, "no version")
    return Package(ecosystem, source[1], source[2] or version, listed_as, line)
