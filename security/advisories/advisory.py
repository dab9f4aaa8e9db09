"""An advisory: one OSV record (OSV schema 1.x), parsed once and strictly.

The parser ignores unknown fields, because minor versions of the schema can add some. A field that
matching needs and that violates the schema raises an error with its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from security.advisories.errors import MalformedAdvisoryError
from security.advisories.severity import Severity, read_label, score_vector
from security.advisories.version import split_ecosystem
from security.content.field import Field

_SUMMARY_LENGTH = 240
_MAJOR_VERSION = "1."


class EventKind(Enum):
    """The kind of an event at a version of a range."""

    INTRODUCED = "introduced"
    FIXED = "fixed"
    LAST_AFFECTED = "last_affected"
    LIMIT = "limit"


class RangeKind(Enum):
    """The notation of the versions of a range."""

    ECOSYSTEM = "ECOSYSTEM"
    SEMVER = "SEMVER"
    GIT = "GIT"


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a range; introduced at ``0`` covers every version, limit ``*`` excludes none."""

    kind: EventKind
    version: str


@dataclass(frozen=True, slots=True)
class VersionRange:
    """The events of a range in the order of the record, which can be unsorted."""

    kind: RangeKind
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Affected:
    """One package of a record with its affected versions.

    Attributes:
        ecosystem: as in the record, such as ``PyPI`` or ``Debian:12``; empty without a package.
        name: as in the record.
        severities: severities of this package; they replace the record's.
        labels: severity words of the publisher for this package; they replace none.
    """

    ecosystem: str
    name: str
    ranges: tuple[VersionRange, ...]
    versions: tuple[str, ...]
    severities: tuple[Severity, ...]
    labels: tuple[Severity, ...]


@dataclass(frozen=True, slots=True)
class Advisory:
    """An OSV record.

    Attributes:
        aliases: identifiers of the same vulnerability elsewhere.
        upstream: identifiers of the vulnerabilities that this one derives from.
        labels: severity words of the publisher, beside the vectors.
        summary: one line of at most 240 printable characters; can be empty.
    """

    id: str
    modified: datetime
    withdrawn: datetime | None
    aliases: tuple[str, ...]
    upstream: tuple[str, ...]
    summary: str
    severities: tuple[Severity, ...]
    labels: tuple[Severity, ...]
    affected: tuple[Affected, ...]

    def is_withdrawn(self, at: datetime) -> bool:
        """Say whether the publisher had withdrawn the record at a time."""
        return self.withdrawn is not None and self.withdrawn <= at


@dataclass(frozen=True, slots=True)
class _Complaint:
    """Builds the errors about the record named ``where``."""

    where: str

    def __call__(self, place: str, what: str, _hint: str) -> MalformedAdvisoryError:
        return MalformedAdvisoryError(f"{self.where}: {place or 'record'}", what)


def parse_advisory(document: object, where: str) -> Advisory:
    """Parse one OSV record.

    Args:
        document: the parsed JSON or YAML.
        where: file or archive member of the record, for messages.

    Raises:
        MalformedAdvisoryError: the record violates the schema; the error names the field.
    """
    record = Field(document, _Complaint(where))
    version = record.get("schema_version")
    if version.exists and not version.text(empty=True).startswith(_MAJOR_VERSION):
        raise version.wrong(f"unsupported schema version, expected 1.x: {version.value[:40]}")
    return Advisory(
        id=record.get("id").identifier(),
        modified=parse_time(record.get("modified")),
        withdrawn=_optional_time(record.get("withdrawn")),
        aliases=tuple(one.identifier() for one in record.get("aliases").items()),
        upstream=tuple(one.identifier() for one in record.get("upstream").items()),
        summary=summarize(record),
        severities=_parse_severities(record),
        labels=_parse_labels(record),
        affected=tuple(_parse_affected(one) for one in record.get("affected").items()),
    )


def parse_time(field: Field) -> datetime:
    """Parse an RFC 3339 time in UTC."""
    text = field.text(empty=True)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise field.wrong(f"not an RFC 3339 time: {text[:40]}") from None
    if time.tzinfo is None or time.utcoffset() != timedelta(0):
        raise field.wrong(f"not a time in UTC: {text[:40]}")
    return time


def _optional_time(field: Field) -> datetime | None:
    return parse_time(field) if field.exists else None


def summarize(record: Field) -> str:
    """Return the summary, or without one the start of the details, on one line."""
    summary, details = record.get("summary"), record.get("details")
    long = summary.optional_text() or "" if summary.exists else details.optional_text() or ""
    visible = "".join(one if one.isprintable() else " " for one in long[: _SUMMARY_LENGTH * 4])
    text = " ".join(visible.split())
    return text if len(text) <= _SUMMARY_LENGTH else text[: _SUMMARY_LENGTH - 1] + "…"


def _parse_severities(owner: Field) -> tuple[Severity, ...]:
    """Parse the severities of a record or a package: CVSS vectors, or words of a distribution."""
    found: list[Severity] = []
    for one in owner.get("severity").items():
        kind = one.get("type").text(empty=True)
        score = one.get("score").name()
        found.append(score_vector(score) if kind.startswith("CVSS_") else read_label(score))
    return tuple(found)


def _parse_labels(owner: Field) -> tuple[Severity, ...]:
    """Parse the optional severity words of a publisher for a record or a package."""
    found: list[Severity] = []
    for place, key in (("database_specific", "severity"), ("ecosystem_specific", "urgency")):
        label = owner.get(place).loose(key)
        if isinstance(label, str) and label not in ("", "not yet assigned", "end-of-life"):
            found.append(read_label(label if label.isprintable() else ascii(label)))
    return tuple(found)


def _parse_affected(entry: Field) -> Affected:
    package = entry.get("package")
    return Affected(
        ecosystem=package.get("ecosystem").name() if package.exists else "",
        name=package.get("name").name() if package.exists else "",
        ranges=tuple(_parse_range(one) for one in entry.get("ranges").items()),
        versions=entry.get("versions").texts(),
        severities=_parse_severities(entry),
        labels=_parse_labels(entry),
    )


def _parse_range(field: Field) -> VersionRange:
    kind = field.get("type").choice(RangeKind)
    events = field.get("events")
    parsed = tuple(_parse_event(one) for one in events.items())
    if not any(event.kind is EventKind.INTRODUCED for event in parsed):
        raise events.wrong("no introduced event")
    return VersionRange(kind, parsed)


_KINDS = {kind.value: kind for kind in EventKind}


def _parse_event(field: Field) -> Event:
    """Parse an event; refuse one with several kinds or none."""
    keys = field.keys()
    kind = _KINDS.get(keys[0]) if len(keys) == 1 else None
    if kind is not None:
        return Event(kind, field.get(keys[0]).name())
    given = [key for key in keys if key in _KINDS and field.get(key).exists]
    if len(given) != 1:
        names = ", ".join(given) or "none"
        raise field.wrong(f"not exactly one of introduced, fixed, last_affected, limit: {names}")
    return Event(_KINDS[given[0]], field.get(given[0]).name())


def name_packages(document: object) -> frozenset[tuple[str, str]]:
    """Return ecosystem and name of the packages in a record that can be malformed.

    Matching reports a malformed record as unknown for these packages, instead of dropping it.
    """
    found: set[tuple[str, str]] = set()
    affected = document.get("affected") if isinstance(document, Mapping) else None
    for entry in affected if isinstance(affected, list) else ():
        package = entry.get("package") if isinstance(entry, Mapping) else None
        if isinstance(package, Mapping):
            ecosystem, name = package.get("ecosystem"), package.get("name")
            if isinstance(ecosystem, str) and isinstance(name, str):
                found.add((ecosystem, name))
    return frozenset(one for one in found if all(part and part.isprintable() for part in one))


def is_of_known_ecosystem(packages: frozenset[tuple[str, str]]) -> bool:
    """Say whether any of these packages is of a supported ecosystem."""
    return any(split_ecosystem(ecosystem)[0] is not None for ecosystem, _ in packages)
