"""The packages of a project: those that dependency files pin, and those in its environment."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from security.advisories.packages.dependency_files import Wish, read_dependency_files
from security.advisories.packages.package import Package
from security.advisories.packages.requirements import build_package
from security.advisories.version import Ecosystem
from security.content.printable import printable
from security.gates.interface import GateError, Task
from security.gates.tool.python_environment import PythonEnvironment, environment_of

ENVIRONMENT = "the environment"


@dataclass(frozen=True, slots=True)
class PackageSpot:
    """The place that lists a package: a file, or the environment if the path is empty."""

    path: str
    line: int | None

    def __str__(self) -> str:
        return f"{printable(self.path)}:{self.line}" if self.path else ENVIRONMENT


@dataclass(frozen=True, slots=True)
class PackageListing:
    """The packages that a project lists.

    Attributes:
        packages: each package, with the places that list it.
        hidden: why packages may be missing from the list.
        own: number of packages that are the project's own directories.
        wishes: entries without a version, of packages that are neither pinned nor installed.
    """

    packages: Mapping[Package, tuple[PackageSpot, ...]]
    hidden: tuple[str, ...]
    own: int
    wishes: tuple[Wish, ...] = ()


def _read_environment(task: Task) -> PythonEnvironment | GateError | None:
    """Return the environment, or why it cannot be read; None if the project has none."""
    try:
        return environment_of(task) if task.python is not None else None
    except GateError as error:
        return error


def digest_environment(task: Task) -> str | None:
    """Return the digest of the environment, or why it cannot be read; None without one."""
    environment = _read_environment(task)
    if isinstance(environment, GateError):
        return f"unreadable: {environment.message}"
    return environment.sha256 if environment is not None else None


def list_packages(task: Task) -> PackageListing:
    """List the packages of dependency files and of the environment, each once.

    Raises:
        GateError: the project has neither dependency files nor an environment.
    """
    environment = _read_environment(task)
    listing = read_dependency_files(task.directory, task.files)
    if environment is None and not (listing.locked or listing.packages or listing.hidden):
        raise GateError(
            "no packages listed: no lock file, no requirements file, no environment",
            "add a lock file, or set the interpreter of the project: gates.python",
        )
    pinned = [(one.package, PackageSpot(one.path, one.package.line)) for one in listing.packages]
    spots: dict[tuple[str, str, str], list[PackageSpot]] = {}
    packages: dict[tuple[str, str, str], Package] = {}
    hidden = list(listing.hidden)
    for package, spot in [*pinned, *_installed(environment)]:
        key = (package.ecosystem, package.name, package.version)
        packages.setdefault(key, package)
        spots.setdefault(key, []).append(spot)
    if isinstance(environment, GateError):
        hidden.append(f"{ENVIRONMENT}: {environment.message}")
    elif environment is not None:
        hidden += [f"{ENVIRONMENT}: {printable(one)}" for one in environment.unreadable]
    if not listing.locked and not isinstance(environment, PythonEnvironment):
        hidden += [f"{printable(one.path)}:{one.line}: {one.text}" for one in listing.wishes]
    if not packages and not hidden and not listing.wishes:
        hidden.append("no packages listed")
    kept = {packages[key]: tuple(places) for key, places in spots.items()}
    known = {name for _, name, _ in packages}
    wishes = tuple(one for one in listing.wishes if _is_open(one, known))
    return PackageListing(kept, tuple(hidden), listing.own, wishes)


def _is_open(wish: Wish, known: Collection[str]) -> bool:
    """Say whether nothing that was judged answers a wish."""
    return not wish.settled and Ecosystem.PYPI.normalize(wish.name) not in known


def _installed(
    environment: PythonEnvironment | GateError | None,
) -> list[tuple[Package, PackageSpot]]:
    """Return the installed packages; their source does not matter, only name and version."""
    if not isinstance(environment, PythonEnvironment):
        return []
    spot = PackageSpot("", None)
    return [(build_package(one.name, one.version, 1), spot) for one in environment.packages()]
