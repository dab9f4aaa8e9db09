"""Wishes: requirements in a file that does not lock versions.

An entry without an exact version, or with an address, is no gap in such a file: what is installed
under its name is judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from security.advisories.packages.package import Package, Skipped, SkipReason
from security.advisories.packages.requirements import parse_requirements

_NAMED_ADDRESS = re.compile(r"[A-Za-z0-9][\w.-]*\s*(\[[^\]]*\])?\s*@")


def parse_wish(entry: str, line: int) -> Iterator[Package | Skipped]:
    """Parse one requirement of pip; text that is none is told as a wish."""
    found = parse_requirements(entry)
    yield from (replace(one, line=line) for one in found.packages)
    for one in map(as_wish, found.skipped):
        odd = one.reason is SkipReason.NOT_UNDERSTOOD
        yield replace(one, line=line, reason=SkipReason.RANGE if odd else one.reason)


def as_wish(one: Skipped) -> Skipped:
    """Return an entry as a wish, if it is a requirement with a name."""
    address = one.reason is SkipReason.NOT_FROM_INDEX and _NAMED_ADDRESS.match(one.text)
    if one.reason is SkipReason.NOT_PINNED or address:
        return replace(one, reason=SkipReason.RANGE)
    return one
