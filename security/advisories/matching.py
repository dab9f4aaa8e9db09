"""The match of one advisory against one package: the evaluation algorithm of the OSV schema.

For one package of one record (https://ossf.github.io/osv-schema, "evaluation"):

1. A withdrawn record affects no package.
2. Ecosystem and name are equal: PyPI names after PEP 503 normalization; Debian releases only need
   to be equal if both sides name one.
3. A version in the list `versions` is affected.
4. A version in any range that is not of kind GIT is affected. The events are sorted by version
   first, because the schema does not guarantee an order.
5. If the record has neither versions nor ranges for the package, the answer is unknown.
6. A version without an order (one that PEP 440 does not define) is unknown, unless step 3 or 4
   finds it affected.

An unknown answer is reported, and never counts as "not affected".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from security.advisories.advisory import Advisory, Affected, RangeKind
from security.advisories.packages.package import Package
from security.advisories.severity import Severity
from security.advisories.version import (
    Ecosystem,
    UnorderedVersion,
    Version,
    parse_version,
    split_ecosystem,
)
from security.advisories.version_range import find_listed, fixed_above, is_in_range


class MatchStatus(Enum):
    """The answer of a record about a package."""

    AFFECTED = "affected"
    UNKNOWN = "unknown"
    NOT_AFFECTED = "not affected"


@dataclass(frozen=True, slots=True)
class PackageMatch:
    """An answer with its reason.

    Attributes:
        fixed: fixed versions above the package's version, lowest first.
        severities: severities of the package entry, or else of the record, and the labels of both.
    """

    status: MatchStatus
    reason: str
    fixed: tuple[str, ...] = ()
    severities: tuple[Severity, ...] = ()


_RANK = (MatchStatus.AFFECTED, MatchStatus.UNKNOWN, MatchStatus.NOT_AFFECTED)


def judge(advisory: Advisory, package: Package) -> PackageMatch:
    """Match one record against one package: steps 2 to 6. The caller does step 1."""
    ecosystem, release = split_ecosystem(package.ecosystem)
    if ecosystem is None:
        return PackageMatch(MatchStatus.UNKNOWN, f"unsupported ecosystem: {package.ecosystem}")
    name = ecosystem.normalize(package.name)
    version = parse_version(ecosystem, package.version)
    found = [
        (_judge_entry(entry, ecosystem, version), entry)
        for entry in advisory.affected
        if concerns(entry, ecosystem, release, name)
    ]
    if not found:
        return PackageMatch(MatchStatus.NOT_AFFECTED, "the record is about other packages")
    (answer, reason), entry = min(found, key=lambda one: _RANK.index(one[0][0]))
    if answer is MatchStatus.NOT_AFFECTED:
        return PackageMatch(answer, reason)
    severities = (entry.severities or advisory.severities) + entry.labels + advisory.labels
    ranges = [one for one in entry.ranges if one.kind is not RangeKind.GIT]
    return PackageMatch(answer, reason, fixed_above(ranges, ecosystem, version), severities)


def concerns(entry: Affected, ecosystem: Ecosystem, release: str, name: str) -> bool:
    """Say whether an entry of a record names this package (step 2)."""
    theirs, their_release = split_ecosystem(entry.ecosystem)
    if theirs is not ecosystem or ecosystem.normalize(entry.name) != name:
        return False
    return not release or not their_release or release == their_release


def _judge_entry(
    entry: Affected, ecosystem: Ecosystem, version: Version
) -> tuple[MatchStatus, str]:
    listed = find_listed(version, entry.versions, ecosystem)  # 3
    if listed is not None:
        return MatchStatus.AFFECTED, "version listed as affected"
    ranges = [one for one in entry.ranges if one.kind is not RangeKind.GIT]  # 4
    inside = [is_in_range(version, one, ecosystem) for one in ranges]
    if any(inside):
        return MatchStatus.AFFECTED, "version in an affected range"
    if not ranges and not entry.versions:  # 5
        return MatchStatus.UNKNOWN, "the record lists no versions and no ranges of versions"
    if None in inside or isinstance(version, UnorderedVersion):  # 6
        return MatchStatus.UNKNOWN, "the version, or one in the record, cannot be ordered"
    return MatchStatus.NOT_AFFECTED, "version not listed and not in a range"
