"""Waivers: findings that somebody answers for until a day that is named."""

from __future__ import annotations

import datetime
import fnmatch
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from security.content.table import Table
from security.finding import Finding

_KEYS = ("gate", "finding", "path", "package", "reason", "owner", "expires")
_NEEDED = ("gate", "finding", "reason", "owner", "expires")
_GATE = re.compile(r"[a-z0-9][a-z0-9_-]*")
_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*(==[^\s=*?]+)?")


@dataclass(frozen=True, slots=True)
class Waiver:
    """A finding that is known, and does not count until it expires.

    Attributes:
        gate: its name, exactly.
        finding: its id, or a name that it also goes by, exactly.
        reason: why it may be.
        owner: who answers for it.
        expires: the first day on which it does not work any more.
        path: where it holds, ``/`` between names: ``*`` and ``?`` stay within a name, ``**`` is
            any number of directories; None is everywhere.
        package: for which it holds, ``name`` or ``name==version``; None is each.
    """

    gate: str
    finding: str
    reason: str
    owner: str
    expires: datetime.date
    path: str | None = None
    package: str | None = None

    def works(self, today: datetime.date) -> bool:
        """Say whether it works on a day: until the day before it expires."""
        return today < self.expires

    def covers(self, gate: str, finding: Finding) -> bool:
        """Say whether it is about a finding of a gate, whatever the day."""
        return (
            gate == self.gate
            and self.finding in (finding.id, *finding.aliases)
            and (self.path is None or matches_path(self.path, finding.path))
            and (self.package is None or _is_package(self.package, finding.package))
        )

    @property
    def about(self) -> str:
        """Say what it is about, on one line."""
        where = [f"in {self.path}"] if self.path else []
        where += [f"of {self.package}"] if self.package else []
        return " ".join([f"{self.gate}: {self.finding}", *where])


def parse_waiver(table: Table) -> Waiver:
    """Parse one waiver.

    Raises:
        PolicyError: a key is missing, unknown or of another type, or it would cover what nobody
            has seen.
    """
    table.refuse_unknown(_KEYS)
    table.require(*_NEEDED)
    for key in ("gate", "finding"):
        _refuse_wildcards(table, key)
    if not _GATE.fullmatch(table.line("gate")):
        raise table.error("gate", "not the name of a gate", "write it as reports do")
    return Waiver(
        gate=table.line("gate"),
        finding=table.line("finding"),
        reason=table.line("reason"),
        owner=table.line("owner"),
        expires=table.day("expires"),
        path=_path(table),
        package=_package(table),
    )


def _refuse_wildcards(table: Table, key: str) -> None:
    text = table.line(key)
    # In the names of tests, as in test_a.py::test_b[a*b], these are letters like others.
    if "::" not in text and any(one in text for one in "*?"):
        raise table.error(key, f"wildcards do not work here: {text}", "write one waiver for each")


def _path(table: Table) -> str | None:
    path = table.line("path")
    if path.startswith("/") or ".." in path.split("/") or "\\" in path:
        raise table.error(
            "path", f"not inside the project: {path}", "start at the project's root, with / between"
        )
    return path or None


def _package(table: Table) -> str | None:
    package = table.line("package")
    if package and not _PACKAGE.fullmatch(package):
        raise table.error("package", f"not a package: {package}", "write NAME or NAME==VERSION")
    return package or None


def matches_path(pattern: str, path: str) -> bool:
    """Say whether a path matches a pattern, name by name; case counts."""
    names = path.split("/")
    reached = {0}  # how many names the pattern's parts so far can have used up
    for part in pattern.split("/"):
        if part == "**":
            reached = set(range(min(reached, default=len(names) + 1), len(names) + 1))
            continue
        reached = {
            used + 1
            for used in reached
            if used < len(names) and names[used] and fnmatch.fnmatchcase(names[used], part)
        }
    return bool(path) and len(names) in reached


def _is_package(wanted: str, found: str) -> bool:
    name, _, version = wanted.partition("==")
    found_name, _, found_version = found.partition("==")
    return _normal(name) == _normal(found_name) and version in ("", found_version)


def _normal(name: str) -> str:
    """Return a package's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


class WaiverIndex:
    """The waivers of one gate that work on a day, found without a look at each."""

    def __init__(self, waivers: Iterable[Waiver], gate: str, today: datetime.date) -> None:
        self._gate = gate
        self._by_finding: dict[str, list[Waiver]] = {}
        for waiver in waivers:
            if waiver.gate == gate and waiver.works(today):
                self._by_finding.setdefault(waiver.finding, []).append(waiver)

    def find(self, finding: Finding) -> Waiver | None:
        """Return the first waiver that covers a finding."""
        for name in (finding.id, *finding.aliases):
            for waiver in self._by_finding.get(name, ()):
                if waiver.covers(self._gate, finding):
                    return waiver
        return None


def expired_waivers(waivers: Sequence[Waiver], today: datetime.date) -> tuple[Waiver, ...]:
    """Return the waivers that do not work any more."""
    return tuple(waiver for waiver in waivers if not waiver.works(today))
