"""Dependencies: known vulnerabilities of what the project pins and of what is installed for it.

1. What the dependency files pin (``dependency_files``) and what is installed in
   the environment that stages run in is one set of packages, each judged once.
2. Each is matched against the database of advisories; a match that is not certain is a finding too.
3. What may be installed and cannot be matched is reported as not judged: an entry without a pin, an
   address, metadata that cannot be read, an ecosystem of which the database knows nothing.
4. Where a service is given, it is asked as well. It adds to what the database knows and takes
   nothing away; a service that cannot be asked leaves the thing not judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from security.advisories.database import AdvisoryDatabase
from security.advisories.errors import AdvisoryError
from security.advisories.packages.dependency_files import is_dependency_file, read_dependency_files
from security.advisories.packages.package import Package
from security.advisories.packages.requirements import build_package
from security.advisories.severity import Rating
from security.advisories.vulnerability import Vulnerability, match_package
from security.content.printable import printable
from security.finding import Finding, Severity
from security.gates.dependencies.online_advisories import (
    ask_service,
    merge_vulnerabilities,
    verify_service,
)
from security.gates.interface import GateError, Json, Kind, Place, Report, Task, Tool
from security.gates.tool.own_tools import own_version
from security.gates.tool.python_environment import PythonEnvironment, environment_of

MOST_PACKAGES = 10_000
MOST_FINDINGS = 20_000
_SHOWN = 5
_LONGEST_MESSAGE = 600
_ENVIRONMENT = "the environment"
_SEVERITIES = {
    Rating.NONE: Severity.LOW,
    Rating.LOW: Severity.LOW,
    Rating.MEDIUM: Severity.MEDIUM,
    Rating.HIGH: Severity.HIGH,
    Rating.CRITICAL: Severity.CRITICAL,
}


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where a package is listed; without a path it is installed in the environment."""

    path: str
    line: int | None

    def __str__(self) -> str:
        return f"{printable(self.path)}:{self.line}" if self.path else _ENVIRONMENT


@dataclass(frozen=True, slots=True)
class _Collected:
    """All packages, each with where it is listed, and what is not among them."""

    packages: Mapping[Package, tuple[_Spot, ...]]
    hidden: tuple[str, ...]
    own: int


class DependenciesGate:
    """Judges what a project depends on by a database of advisories.

    Args:
        advisories: gives the open database; it is called only when something has to be judged, and
            whoever gives it closes it.
        identify: gives the sha256 of the database's records, cheaply: it is asked for each time.
        at: now: records withdrawn by then count no more. It has no part in what a result is bound
            to, because a record that is withdrawn later only takes a finding away.
        online: address of a service that answers OSV's queries; None asks nobody.
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
    ) -> None:
        self._advisories = advisories
        self._identify = identify
        self._at = at
        self._online = online

    def reads(self, path: str) -> bool:
        """Say whether a file lists pinned packages."""
        return is_dependency_file(path)

    def configures(self, path: str) -> bool:
        """Say that none is configuration: all of them are what is judged."""
        return False

    def tool(self, task: Task) -> Tool:
        """Return the matcher, with the digests of its advisories and of the environment.

        What a service answers is another thing each day, so its day is a part of it.

        Raises:
            GateError: there is no database, or pip-audit is missing.
        """
        version = f"ml-assets {own_version('ml-assets')}, packaging {own_version('packaging')}"
        configuration: dict[str, Json] = {
            "advisories": self._sha256(),
            "environment": _digest_environment(task),
        }
        if self._online is not None:
            verify_service(self._online)
            version += f", pip-audit {own_version('pip-audit')}"
            configuration["service"] = self._online
            configuration["asked on"] = f"{self._at:%Y-%m-%d}"
        return Tool("osv-matcher", version, configuration)

    def judge(self, task: Task) -> Report:
        """Match all packages.

        Raises:
            GateError: nothing lists any, or the database cannot be used.
        """
        collected = _collect(task)
        try:
            database = self._advisories()
            if database.status.sha256 != self._sha256():
                raise GateError("the advisories changed meanwhile", "run it again")
            matched = _match(database, collected.packages, self._at)  # 2
        except AdvisoryError as error:
            raise GateError(error.message, error.hint) from error
        reasons = [*collected.hidden, *matched.unjudged]  # 3
        known = matched.vulnerabilities
        answer = self._ask(task, collected.packages, reasons)  # 4
        if answer is not None:
            known = merge_vulnerabilities(known, answer)
        return Report(
            findings=tuple(_describe(one, collected.packages[one.package]) for one in known),
            judged=matched.judged,
            unjudged=_summarize(reasons) if reasons else None,
            facts={
                "packages": len(collected.packages),
                "own_directories": collected.own,
                "vulnerabilities": len(known),
                **self._date(database, matched, answer is not None),
            },
        )

    def _sha256(self) -> str:
        try:
            return self._identify()
        except AdvisoryError as error:
            raise GateError(error.message, error.hint) from error

    def _ask(
        self, task: Task, packages: Iterable[Package], reasons: list[str]
    ) -> list[Vulnerability] | None:
        """Ask the service; None where there is none, or where it has not answered for all."""
        if self._online is None:
            return None
        try:
            return ask_service(self._online, packages, task)
        except GateError as error:
            reasons.append(f"the online service: {error.message}")
            return None

    def _date(
        self, database: AdvisoryDatabase, matched: _Matched, answered: bool
    ) -> dict[str, str | int | float]:
        """Say by which advisories it was judged, and how old they are.

        A service that has answered for each package knows what is known today.
        """
        facts: dict[str, str | int | float] = {
            "advisories": database.status.advisories,
            "advisories_sha256": database.status.sha256[:16],
        }
        ages = [database.status.age(one, self._at) for one in matched.ecosystems]
        known = [age for age in ages if age is not None]
        if answered:
            facts["service"] = printable(self._online or "")
            facts["advisories_newest"] = f"{self._at:%Y-%m-%d}"
        elif known:
            facts["advisories_newest"] = f"{self._at - max(known):%Y-%m-%d}"
        return facts


def _read_environment(task: Task) -> PythonEnvironment | GateError | None:
    """Return the environment, or why it cannot be read; None where the task gives none."""
    try:
        return environment_of(task) if task.python is not None else None
    except GateError as error:
        return error


def _digest_environment(task: Task) -> str | None:
    environment = _read_environment(task)
    if isinstance(environment, GateError):
        return f"cannot be read: {environment.message}"
    return environment.sha256 if environment is not None else None


def _collect(task: Task) -> _Collected:
    """Collect the packages of files and environment."""  # 1
    environment = _read_environment(task)
    if not task.files and environment is None:
        raise GateError(
            "nothing lists any package: no lock file, no requirements file, no environment",
            "lock the dependencies, or set the interpreter of the project: gates.python",
        )
    listing = read_dependency_files(task.directory, task.files)
    pinned = [(one.package, _Spot(one.path, one.package.line)) for one in listing.packages]
    spots: dict[tuple[str, str, str], list[_Spot]] = {}
    packages: dict[tuple[str, str, str], Package] = {}
    hidden = list(listing.hidden)
    for package, spot in [*pinned, *_installed(environment)]:
        key = (package.ecosystem, package.name, package.version)
        packages.setdefault(key, package)
        spots.setdefault(key, []).append(spot)
    if isinstance(environment, GateError):
        hidden.append(f"{_ENVIRONMENT}: {environment.message}")
    elif environment is not None:
        hidden += [f"{_ENVIRONMENT}: {printable(one)}" for one in environment.unreadable]
    if not packages and not hidden:
        hidden.append("no package is listed")
    kept = {packages[key]: tuple(places) for key, places in spots.items()}
    return _Collected(kept, tuple(hidden), listing.own)


def _installed(environment: PythonEnvironment | GateError | None) -> list[tuple[Package, _Spot]]:
    """Return what is installed. Wherever it came from, its name and version are what is judged."""
    if not isinstance(environment, PythonEnvironment):
        return []
    spot = _Spot("", None)
    return [(build_package(one.name, one.version, 1), spot) for one in environment.packages()]


@dataclass(frozen=True, slots=True)
class _Matched:
    vulnerabilities: list[Vulnerability]
    judged: int
    ecosystems: frozenset[str]
    unjudged: tuple[str, ...]


def _match(
    database: AdvisoryDatabase, packages: Mapping[Package, tuple[_Spot, ...]], at: datetime
) -> _Matched:
    """Match packages, as many as anybody has, until there are more findings than anybody reads."""
    found: list[Vulnerability] = []
    unjudged: list[str] = []
    judged = 0
    for package, spots in packages.items():
        if judged >= MOST_PACKAGES or len(found) >= MOST_FINDINGS:
            rest = len(packages) - judged
            unjudged.append(f"{rest} packages more: {judged} have {len(found)} vulnerabilities")
            break
        if not database.covers(package.ecosystem):
            unjudged.append(f"{spots[0]}: {package.name} (no advisories for {package.ecosystem})")
            continue
        judged += 1
        found += match_package(database, package, at=at)
    return _Matched(found, judged, frozenset(one.ecosystem for one in packages), tuple(unjudged))


def _describe(one: Vulnerability, spots: Sequence[_Spot]) -> Finding:
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


def _message(parts: Sequence[str], spots: Sequence[_Spot]) -> str:
    where = [] if spots[0].path else [f"installed in {_ENVIRONMENT}"]
    if len(spots) > 1:
        more = f" and {len(spots) - 1 - _SHOWN} more" if len(spots) - 1 > _SHOWN else ""
        where.append(f"also in {', '.join(map(str, spots[1 : _SHOWN + 1]))}{more}")
    return printable("; ".join([*parts, *where]), _LONGEST_MESSAGE)


def _summarize(reasons: Sequence[str]) -> str:
    more = f"; and {len(reasons) - _SHOWN} more" if len(reasons) > _SHOWN else ""
    return f"not judged: {len(reasons)}: {'; '.join(reasons[:_SHOWN])}{more}"
