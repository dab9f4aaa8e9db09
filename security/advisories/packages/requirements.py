"""The parser of requirements files in pip's format, which pip-compile and uv also write.

Environment markers are ignored, and every package counts: the environment of the installation is
unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet

from security.advisories.packages.package import Package, PackageList, Skipped, SkipReason, shorten
from security.advisories.version import Ecosystem, PyPIVersion, parse_version

# No repetition in these: searching a line of a million spaces would take quadratic time.
_COMMENT = re.compile(r"(?:^|\s)#.*$")
_PER_REQUIREMENT_OPTION = re.compile(r"\s--?[A-Za-z]")
_LONGEST_REQUIREMENT = 4096
# pip's options that name no package. All other options are reported.
_HARMLESS = frozenset(
    {
        "-i",
        "--index-url",
        "--pypi-url",
        "--extra-index-url",
        "--no-index",
        "-f",
        "--find-links",
        "--no-binary",
        "--only-binary",
        "--prefer-binary",
        "--require-hashes",
        "--pre",
        "--trusted-host",
        "--use-feature",
    }
)
_INCLUDES = ("-r", "--requirement", "-c", "--constraint")
_EDITABLE = ("-e", "--editable")
_ADDRESS = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*:|\.{0,2}/|[A-Za-z]:\\|~)")
_ARCHIVE = re.compile(r"\.(whl|zip|tar\.gz|tgz|tar\.bz2|tar\.xz)(\s|$|\[|#)", re.IGNORECASE)


def parse_requirements(text: str) -> PackageList:
    """Parse a requirements file.

    Only ``name==version`` and ``name===version`` pin a version; other specifiers can follow.
    """
    packages: list[Package] = []
    skipped: list[Skipped] = []
    for line, entry in _logical_lines(text):
        found = _parse_entry(entry, line)
        if isinstance(found, Package):
            packages.append(found)
        elif isinstance(found, Skipped):
            skipped.append(found)
    return PackageList(tuple(packages), tuple(skipped))


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Join continued lines, then remove comments, in the order of pip.

    Lines end where pip ends them, also at a form feed or U+2028. Otherwise a requirement after such
    a character in a comment would be installed without being parsed here.
    """
    pending: list[str] = []
    start = 1
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        if not pending:
            start = number
        comment = line.lstrip().startswith("#")
        if line.endswith("\\") and not comment:
            pending.append(line[:-1])
            continue
        # pip ends a continued line with a comment line, and drops that comment.
        pending.append(" " + line if comment else line)
        entry = _COMMENT.sub("", "".join(pending)).strip()
        pending = []
        if entry:
            yield start, entry
    if pending and (entry := _COMMENT.sub("", "".join(pending)).strip()):
        yield start, entry


def _parse_entry(entry: str, line: int) -> Package | Skipped | None:
    """Parse one logical line; None for an option that names no package."""
    if entry.startswith("-"):
        return _parse_option(entry, line)
    requirement_text = _PER_REQUIREMENT_OPTION.split(entry, maxsplit=1)[0].strip()
    if len(requirement_text) > _LONGEST_REQUIREMENT:
        return Skipped(shorten(entry), line, SkipReason.NOT_UNDERSTOOD, "longer than the limit")
    if _ADDRESS.match(requirement_text) or _ARCHIVE.search(requirement_text.split(";")[0]):
        if "@" not in requirement_text.split("://")[0]:
            return Skipped(shorten(entry), line, SkipReason.NOT_FROM_INDEX)
    try:
        requirement = Requirement(requirement_text)
    except (InvalidRequirement, ValueError, RecursionError) as error:
        detail = shorten(str(error).splitlines()[0] if str(error) else type(error).__name__)
        return Skipped(shorten(entry), line, SkipReason.NOT_UNDERSTOOD, detail)
    if requirement.url:
        return Skipped(shorten(entry), line, SkipReason.NOT_FROM_INDEX)
    version = pinned_version(requirement.specifier)
    if version is None:
        return Skipped(shorten(entry), line, SkipReason.NOT_PINNED)
    return build_package(requirement.name, version, line)


def _parse_option(entry: str, line: int) -> Skipped | None:
    option = re.split(r"[\s=]", entry, maxsplit=1)[0]
    if option in _HARMLESS or option[:2] in ("-i", "-f") and not option.startswith("--"):
        return None
    if option in _INCLUDES or option[:2] in ("-r", "-c") and not option.startswith("--"):
        return Skipped(shorten(entry), line, SkipReason.NOT_FOLLOWED)
    if option in _EDITABLE or option.startswith("-e"):
        return Skipped(shorten(entry), line, SkipReason.NOT_FROM_INDEX)
    return Skipped(shorten(entry), line, SkipReason.NOT_UNDERSTOOD, "unknown option")


def pinned_version(specifier: SpecifierSet) -> str | None:
    """Return the pinned version of a specifier; None for a range or for contradicting pins.

    ``==1.*`` is a range.
    """
    pins = {
        one.version
        for one in specifier
        if one.operator == "===" or one.operator == "==" and not one.version.endswith(".*")
    }
    return pins.pop() if len(pins) == 1 else None


def build_package(name: str, version: str, line: int) -> Package:
    """Return a PyPI package with its normalized name and version."""
    parsed = parse_version(Ecosystem.PYPI, version)
    text = str(parsed.order) if isinstance(parsed, PyPIVersion) else version
    return Package(
        Ecosystem.PYPI.value, Ecosystem.PYPI.normalize(name), text, f"{name}=={version}", line
    )
