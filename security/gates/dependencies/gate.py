"""The gate ``dependencies``: known vulnerabilities of pinned and installed packages.

1. The packages that dependency files pin, and those installed in the environment of the stages,
   form one set. Each package is checked once.
2. Each package is matched against the advisory database. An uncertain match is a finding too.
3. A dependency that cannot be matched is an error: an entry without a pin, a URL, unreadable
   metadata, an ecosystem that the database does not cover.
4. An entry without a version, which is not installed either, is a finding of low severity: it may
   be installed elsewhere.
5. With an online service, the packages are also looked up there. Its advisories are added to those
   of the database and remove none. A failed look-up is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from security.advisories.database import AdvisoryDatabase
from security.advisories.errors import AdvisoryError
from security.advisories.packages.dependency_files import Wish
from security.advisories.packages.file_kind import is_dependency_file
from security.advisories.packages.package import Package
from security.advisories.severity import Rating
from security.advisories.version import Ecosystem
from security.advisories.vulnerability import Vulnerability, match_package
from security.content.printable import printable
from security.finding import Finding, Severity
from security.gates.context import GateContext
from security.gates.dependencies.dependency_listing import DependencyListing
from security.gates.dependencies.online_advisories import (
    merge_vulnerabilities,
    query_service,
    verify_service,
)
from security.gates.dependencies.package_listing import (
    ENVIRONMENT,
    PackageSpot,
    digest_environment,
    list_packages,
)
from security.gates.interface import GateError, Json, Kind, Place, Report, Task, Tool
from security.gates.tool.own_tools import own_version
from security.gates.tool.reason_list import join_reasons

#: The finding about packages that may be installed and have no known version.
UNJUDGED = "not-judged"
MOST_PACKAGES = 10_000
MOST_FINDINGS = 20_000
_SHOWN = 5
_LONGEST_MESSAGE = 600
_SEVERITIES = {
    Rating.NONE: Severity.LOW,
    Rating.LOW: Severity.LOW,
    Rating.MEDIUM: Severity.MEDIUM,
    Rating.HIGH: Severity.HIGH,
    Rating.CRITICAL: Severity.CRITICAL,
}


class DependenciesGate:
    """Match the dependencies of a project against advisories.

    Args:
        advisories: opens the database; called only if there is something to check. The caller
            closes the database.
        identify: returns the sha256 of the database's records; called often, so it must be cheap.
        at: the current time; records withdrawn before it do not count. A result is not bound to
            it, because a record withdrawn later can only remove a finding.
        online: URL of a service with OSV's API; None uses no service.
        lists_packages: says whether an installer may read packages from a file of the tree.
    """

    name = "dependencies"
    kind = Kind.SOURCE
    place = Place.COPY

    def __init__(
        self,
        advisories: Callable[[], AdvisoryDatabase],
        identify: Callable[[], str],
        *,
        at: datetime,
        online: str | None = None,
        lists_packages: Callable[[str], bool] = is_dependency_file,
    ) -> None:
        self._advisories = advisories
        self._identify = identify
        self._at = at
        self._online = online
        self._lists_packages = lists_packages

    @classmethod
    def from_context(cls, context: GateContext) -> DependenciesGate:
        """Build the gate from the user's advisories."""
        project = context.project
        return cls(
            project.advisories.open,
            project.advisories.identify,
            at=project.now,
            online=context.online,
            lists_packages=DependencyListing(project.root, project.python_files),
        )

    @classmethod
    def has_subject(cls, context: GateContext, subject: str) -> bool:
        """Return True: without dependency files, the gate judges the installed packages."""
        return True

    def reads(self, path: str) -> bool:
        """Say whether an installer may read packages from a file."""
        return self._lists_packages(path)

    def configures(self, path: str) -> bool:
        """Return False: all files that the gate reads are under test."""
        return False

    def tool(self, task: Task) -> Tool:
        """Return the matcher, with the digests of its advisories and of the environment.

        A service knows new advisories each day, so the date of the look-up is included.

        Raises:
            GateError: the database or pip-audit is missing.
        """
        version = f"ml-assets {own_version('ml-assets')}, packaging {own_version('packaging')}"
        configuration: dict[str, Json] = {
            "advisories": self._sha256(),
            "environment": digest_environment(task),
        }
        if self._online is not None:
            verify_service(self._online)
            version += f", pip-audit {own_version('pip-audit')}"
            configuration["service"] = self._online
            configuration["asked on"] = f"{self._at:%Y-%m-%d}"
        return Tool("osv-matcher", version, configuration)

    def judge(self, task: Task) -> Report:
        """Match all packages and report each vulnerability.

        Raises:
            GateError: no package is listed, or the database cannot be used.
        """
        listing = list_packages(task)  # 1
        try:
            database = self._advisories()
            if database.status.sha256 != self._sha256():
                raise GateError("advisories changed during the check", "run the gate again")
            matched = _match(database, listing.packages, self._at)  # 2
        except AdvisoryError as error:
            raise GateError(error.message, error.hint) from error
        reasons = [*listing.hidden, *matched.unjudged]  # 3
        known = matched.vulnerabilities
        online = self._look_up(task, listing.packages, reasons)  # 5
        if online is not None:
            known = merge_vulnerabilities(known, online)
        vulnerable = (_build_finding(one, listing.packages[one.package]) for one in known)
        return Report(
            findings=(*vulnerable, *map(_build_notice, listing.wishes)),  # 4
            judged=matched.judged,
            unjudged=join_reasons(reasons, f"{len(reasons)} dependencies not checked: "),
            facts={
                "packages": len(listing.packages),
                "own_directories": listing.own,
                "vulnerabilities": len(known),
                **self._date(database, matched, online is not None),
            },
        )

    def _sha256(self) -> str:
        try:
            return self._identify()
        except AdvisoryError as error:
            raise GateError(error.message, error.hint) from error

    def _look_up(
        self, task: Task, packages: Iterable[Package], reasons: list[str]
    ) -> list[Vulnerability] | None:
        """Look packages up in the service; return None without one, or if the look-up failed."""
        if self._online is None:
            return None
        try:
            return query_service(self._online, packages, task)
        except GateError as error:
            reasons.append(f"online service: {error.message}")
            return None

    def _date(
        self, database: AdvisoryDatabase, matched: _Matched, looked_up: bool
    ) -> dict[str, str | int | float]:
        """Return the digest and the age of the advisories.

        After a complete look-up in a service they are as new as today.
        """
        facts: dict[str, str | int | float] = {
            "advisories": database.status.advisories,
            "advisories_sha256": database.status.sha256[:16],
        }
        ecosystems = matched.ecosystems or {Ecosystem.PYPI.value}
        ages = [database.status.age(one, self._at) for one in ecosystems]
        known = [age for age in ages if age is not None]
        if looked_up:
            facts["service"] = printable(self._online or "")
            facts["advisories_newest"] = f"{self._at:%Y-%m-%d}"
        elif known:
            facts["advisories_newest"] = f"{self._at - max(known):%Y-%m-%d}"
        return facts


@dataclass(frozen=True, slots=True)
class _Matched:
    """The matches of all packages."""

    vulnerabilities: list[Vulnerability]
    judged: int
    ecosystems: frozenset[str]
    unjudged: tuple[str, ...]


def _match(
    database: AdvisoryDatabase, packages: Mapping[Package, tuple[PackageSpot, ...]], at: datetime
) -> _Matched:
    """Step 2: match packages, up to a limit of packages and of findings."""
    found: list[Vulnerability] = []
    unjudged: list[str] = []
    judged = 0
    for package, spots in packages.items():
        if judged >= MOST_PACKAGES or len(found) >= MOST_FINDINGS:
            rest = len(packages) - judged
            unjudged.append(
                f"{rest} more packages: limit reached with {len(found)} vulnerabilities"
            )
            break
        if not database.covers(package.ecosystem):
            unjudged.append(f"{spots[0]}: {package.name} (no advisories for {package.ecosystem})")
            continue
        judged += 1
        found += match_package(database, package, at=at)
    return _Matched(found, judged, frozenset(one.ecosystem for one in packages), tuple(unjudged))


def _build_finding(one: Vulnerability, spots: Sequence[PackageSpot]) -> Finding:
    summary = one.summary or "vulnerable"
    parts = [
        summary if one.certain else f"may be affected: {summary}",
        *([f"fixed in {', '.join(one.fixed[:_SHOWN])}"] if one.fixed else []),
        one.reason,
    ]
    return Finding(
        id=printable(one.id),
        message=_message(parts, spots),
        severity=_SEVERITIES[one.rating] if one.rating is not None else None,
        path=spots[0].path,
        line=spots[0].line,
        package=printable(f"{one.package.name}=={one.package.version}"),
        aliases=tuple(map(printable, one.ids[1:])),
    )


def _build_notice(wish: Wish) -> Finding:
    what = printable(wish.text, 80) or "packages"
    return Finding(
        id=UNJUDGED,
        message=f"may be installed and was not judged: {what}",
        severity=Severity.LOW,
        path=wish.path,
        line=wish.line,
        package=printable(wish.name),
    )


def _message(parts: Sequence[str], spots: Sequence[PackageSpot]) -> str:
    where = [] if spots[0].path else [f"installed in {ENVIRONMENT}"]
    if len(spots) > 1:
        more = f" and {len(spots) - 1 - _SHOWN} more" if len(spots) - 1 > _SHOWN else ""
        where.append(f"also in {', '.join(map(str, spots[1 : _SHOWN + 1]))}{more}")
    return printable("; ".join([*parts, *where]), _LONGEST_MESSAGE)
