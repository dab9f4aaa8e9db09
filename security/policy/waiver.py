"""Waivers: findings that do not count until an expiry date, each with an owner and a reason."""

from __future__ import annotations

import datetime
import fnmatch
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from security.content.table import Table
from security.finding import Finding

#: The notice before a waiver expires.
SOON = datetime.timedelta(days=14)
_KEYS = ("gate", "finding", "path", "package", "reason", "owner", "expires")
_NEEDED = ("gate", "finding", "reason", "owner", "expires")
_GATE = re.compile(r"[a-z0-9][a-z0-9_-]*")
_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*(==[^\s=*?]+)?")


@dataclass(frozen=True, slots=True)
class Waiver:
    """A known finding that does not count until the waiver expires.

    Attributes:
        gate: exact name of the gate.
        finding: exact name of the finding (``Finding.names``): an id or alias, or the sha256 of a
            file; never the id of a class of findings.
        reason: why the finding is acceptable.
        owner: the person who is responsible.
        expires: first day without the waiver.
        path: pattern of paths, ``/`` between names: ``*`` and ``?`` match within a name, ``**``
            matches directories; None matches all.
        package: ``name`` or ``name==version``; None matches all.
    """

    gate: str
    finding: str
    reason: str
    owner: str
    expires: datetime.date
    path: str | None = None
    package: str | None = None

    def works(self, today: datetime.date) -> bool:
        """Return whether the waiver is valid on a day."""
        return today < self.expires

    def covers(self, gate: str, finding: Finding) -> bool:
        """Return whether the waiver matches a finding of a gate, on any day."""
        return self.finding in finding.names and self.is_about(gate, finding)

    def is_about(self, gate: str, finding: Finding) -> bool:
        """Return whether the gate, the path and the package match, whatever the finding's name."""
        return (
            gate == self.gate
            and (self.path is None or matches_path(self.path, finding.path))
            and (self.package is None or _is_package(self.package, finding.package))
        )

    @property
    def about(self) -> str:
        """The gate, finding, path and package, on one line."""
        where = [f"in {self.path}"] if self.path else []
        where += [f"of {self.package}"] if self.package else []
        return " ".join([f"{self.gate}: {self.finding}", *where])


def parse_waiver(table: Table) -> Waiver:
    """Parse one waiver.

    Raises:
        PolicyError: a key is missing, unknown or of the wrong type, or a wildcard would match
            unknown findings.
    """
    table.refuse_unknown(_KEYS)
    table.require(*_NEEDED)
    for key in ("gate", "finding"):
        _refuse_wildcards(table, key)
    if not _GATE.fullmatch(table.line("gate")):
        raise table.error("gate", "invalid gate name", "copy the name from a report")
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
    # Test ids may contain these characters: test_a.py::test_b[a*b].
    if "::" not in text and any(one in text for one in "*?"):
        raise table.error(key, f"wildcard not allowed: {text}", "write one waiver for each finding")


def _path(table: Table) -> str | None:
    path = table.line("path")
    if path.startswith("/") or ".." in path.split("/") or "\\" in path:
        raise table.error(
            "path", f"outside the project: {path}", "write a path relative to the project's root"
        )
    return path or None


def _package(table: Table) -> str | None:
    package = table.line("package")
    if package and not _PACKAGE.fullmatch(package):
        raise table.error("package", f"invalid package: {package}", "write NAME or NAME==VERSION")
    return package or None


def matches_path(pattern: str, path: str) -> bool:
    """Return whether a path matches a pattern, name by name, case-sensitively."""
    names = path.split("/")
    reached = {0}  # counts of names that the parts so far can match
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
    """Return a package name, normalized as in PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def waiver_for(gate: str, finding: Finding) -> str:
    """Return the lines of a policy that would waive a finding, without owner, reason and date."""
    lines = {"gate": gate, "finding": finding.names[0]}
    lines |= {"path": finding.path} if finding.path else {}
    lines |= {"package": finding.package} if finding.package else {}
    return ", ".join(f"{key} = {json.dumps(value)}" for key, value in lines.items())


class WaiverIndex:
    """The valid waivers of one gate, indexed by finding."""

    def __init__(self, waivers: Iterable[Waiver], gate: str, today: datetime.date) -> None:
        self._gate = gate
        self._by_finding: dict[str, list[Waiver]] = {}
        for waiver in waivers:
            if waiver.gate == gate and waiver.works(today):
                self._by_finding.setdefault(waiver.finding, []).append(waiver)

    def find(self, finding: Finding) -> Waiver | None:
        """Return the first waiver that matches a finding."""
        for name in finding.names:
            for waiver in self._by_finding.get(name, ()):
                if waiver.covers(self._gate, finding):
                    return waiver
        return None

    def find_wide(self, finding: Finding) -> Waiver | None:
        """Return a waiver without effect, because it names only the class of a finding."""
        if finding.id in finding.names:
            return None
        wide = self._by_finding.get(finding.id, ())
        return next((one for one in wide if one.is_about(self._gate, finding)), None)


@dataclass(frozen=True, slots=True)
class Deadlines:
    """The waivers that need attention.

    Attributes:
        expired: waivers without effect, because their day has come.
        expiring: waivers that lose their effect within ``SOON``, the next one first.
    """

    expired: tuple[Waiver, ...] = ()
    expiring: tuple[Waiver, ...] = ()


def find_deadlines(waivers: Sequence[Waiver], today: datetime.date) -> Deadlines:
    """Return the waivers that have expired, and those that expire soon."""
    working = sorted((one for one in waivers if one.works(today)), key=lambda one: one.expires)
    return Deadlines(
        expired=tuple(one for one in waivers if not one.works(today)),
        expiring=tuple(one for one in working if one.expires <= today + SOON),
    )
