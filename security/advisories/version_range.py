"""Checks whether a version is listed or in a range: steps 3 and 4 of `matching`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cmp_to_key

from security.advisories.advisory import Event, EventKind, VersionRange
from security.advisories.version import (
    Ecosystem,
    PyPIVersion,
    Version,
    is_before,
    is_same,
    parse_version,
)


def find_listed(version: Version, listed: Iterable[str], ecosystem: Ecosystem) -> str | None:
    """Return the listed version that equals a version or its public part.

    ``2.1.0+cu118`` is a local build, and ``2.1.0`` is its public part.
    """
    if isinstance(version, PyPIVersion):
        orders = [one.order for one in _with_public(version) if isinstance(one, PyPIVersion)]
        for text in listed:
            parsed = parse_version(ecosystem, text)
            if isinstance(parsed, PyPIVersion) and parsed.order in orders:
                return text
        return None
    return next((one for one in listed if is_same(version, parse_version(ecosystem, one))), None)


def is_in_range(version: Version, affected: VersionRange, ecosystem: Ecosystem) -> bool | None:
    """Say whether a version is in a range; None if the answer needs an undefined order.

    A local build is affected if its public version is: PEP 440 sorts ``2.1.0+cu118`` above
    ``2.1.0``, so "last affected: 2.1.0" would otherwise exclude it.
    """
    answers = [_is_vulnerable(one, affected, ecosystem) for one in _with_public(version)]
    if any(answers):
        return True
    return None if None in answers else False


def _with_public(version: Version) -> list[Version]:
    if isinstance(version, PyPIVersion) and version.public is not None:
        return [version, PyPIVersion(str(version.public), version.public, None)]
    return [version]


def _is_vulnerable(version: Version, affected: VersionRange, ecosystem: Ecosystem) -> bool | None:
    """Walk the sorted events up to the version.

    A version that is both introduced and fixed (the end of one interval and the start of the next,
    or an empty interval) does not change the state, in any order of the events.
    """
    if all(event == Event(EventKind.INTRODUCED, "0") for event in affected.events):
        return True  # every version, also one without an order
    if not _is_before_limits(version, affected, ecosystem):
        return False
    events = [
        (None if _is_zero(event) else parse_version(ecosystem, event.version), event.kind)
        for event in affected.events
        if event.kind is not EventKind.LIMIT
    ]
    parsed = [one for one, _ in events if one is not None]
    if any(is_before(one, version) is None for one in parsed):
        return None
    at_or_below: list[tuple[Version | None, EventKind]] = [
        (one, kind) for one, kind in events if one is None or not is_before(version, one)
    ]
    vulnerable = False
    for at, kinds in _by_version(at_or_below):
        passed = at is None or not is_same(at, version)
        vulnerable = _after(kinds, vulnerable, passed=passed)
    return vulnerable


def _by_version(
    events: list[tuple[Version | None, EventKind]],
) -> Iterator[tuple[Version | None, set[EventKind]]]:
    """Sort events and yield the kinds at each version, in one pass: ranges can be long."""
    events.sort(key=cmp_to_key(_compare_first))
    position = 0
    while position < len(events):
        at, kinds = events[position][0], set[EventKind]()
        while position < len(events) and _compare(events[position][0], at) == 0:
            kinds.add(events[position][1])
            position += 1
        yield at, kinds


def _after(kinds: set[EventKind], vulnerable: bool, *, passed: bool) -> bool:
    """Return the state after the events of one version; `passed` if the package is above it."""
    introduced, fixed = EventKind.INTRODUCED in kinds, EventKind.FIXED in kinds
    if introduced != fixed:
        vulnerable = introduced
    if EventKind.LAST_AFFECTED in kinds and passed:
        return False
    return vulnerable


def _is_zero(event: Event) -> bool:
    return event.kind is EventKind.INTRODUCED and event.version == "0"


def _compare(one: Version | None, other: Version | None) -> int:
    """Compare versions; None sorts before all others."""
    if one is None or other is None:
        return (one is not None) - (other is not None)
    return bool(is_before(other, one)) - bool(is_before(one, other))


def _compare_first(one: tuple[Version | None, object], other: tuple[Version | None, object]) -> int:
    return _compare(one[0], other[0])


def _is_before_limits(version: Version, affected: VersionRange, ecosystem: Ecosystem) -> bool:
    """Say whether a version is below any limit; one without an order counts as below."""
    limits = [one.version for one in affected.events if one.kind is EventKind.LIMIT]
    if not limits or "*" in limits:
        return True
    below = [is_before(version, parse_version(ecosystem, one)) for one in limits]
    return any(one is not False for one in below)


def fixed_above(
    ranges: Iterable[VersionRange], ecosystem: Ecosystem, version: Version
) -> tuple[str, ...]:
    """Return the fixed versions of ranges above this version, lowest first."""
    fixed = {
        event.version: parse_version(ecosystem, event.version)
        for one in ranges
        for event in one.events
        if event.kind is EventKind.FIXED
    }
    above = [(one, text) for text, one in fixed.items() if is_before(version, one)]
    above.sort(key=cmp_to_key(_compare_first))
    return tuple(text for _, text in above)
