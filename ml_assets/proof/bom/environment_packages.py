"""The packages of a project's environment: locked and installed."""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path

from packaging.markers import default_environment

from ml_assets.project.process_view import build_view
from ml_assets.project.project import Project
from ml_assets.project.rules import Rules
from ml_assets.project.stage_variables import find_stage_variables
from resources.errors import ConfigurationError, UnavailableError
from resources.git.source_tree import SourceTree, read_source_tree
from resources.stores.digest_store import DigestStore, stamp
from security.advisories.packages.dependency_files import read_dependency_files
from security.advisories.packages.file_kind import is_dependency_file
from security.advisories.packages.package import SkipReason
from security.advisories.packages.requirements import build_package
from security.bom.lock_hashes import Hashes, find_hashes
from security.bom.package_metadata import (
    parse_metadata,
    read_metadata_header,
    resolve_needs,
)
from security.bom.sbom import EnvironmentDescription, EnvironmentPackage, LockFileDigest
from security.content.printable import printable
from security.gates.tool.installed_package import InstalledPackage
from security.gates.tool.python_environment import PythonEnvironment, read_environment

_COMMIT = re.compile(r"[0-9a-f]{40}")
#: Endings of entries that pin no version; all other hidden entries are unreadable.
_GAPS = tuple(f"({one.value})" for one in (SkipReason.NOT_PINNED, SkipReason.NOT_FROM_INDEX))
_SHOWN = 3


@dataclass(slots=True)
class _Pin:
    """The lock files and hashes of one package version."""

    locks: set[str] = field(default_factory=set)
    hashes: set[str] = field(default_factory=set)


_Pins = dict[tuple[str, str], _Pin]


@dataclass(frozen=True)
class EnvironmentSource:
    """Everything that the description of a project's environment is made of.

    Attributes:
        root: the project's root, which holds the lock files.
        name: the project's name.
        version: the project's version; may be empty.
        headers: the metadata of each installed package, in the order of ``python.installed``.
        stamps: identify the states of the lock files.
    """

    root: Path
    name: str
    version: str
    lock_files: tuple[LockFileDigest, ...]
    python: PythonEnvironment
    headers: tuple[bytes, ...]
    stamps: tuple[tuple[int, ...], ...]

    @property
    def sha256(self) -> str:
        """Return the digest of everything that determines the description."""
        locks = [(one.path, one.sha256) for one in self.lock_files]
        packages = [(astuple(one)[:2], astuple(one)[3:]) for one in self.python.installed]
        headers = [hashlib.sha256(one).hexdigest() for one in self.headers]
        markers = sorted(_marker_environment(self.python.version).items())
        named = (self.name, self.version, self.python.version, locks, packages, headers, markers)
        return hashlib.sha256(repr(named).encode("utf-8", "surrogateescape")).hexdigest()


def read_environment_source(project: Project, rules: Rules) -> EnvironmentSource:
    """Read the lock files of the source tree, the interpreter, and the installed packages.

    Raises:
        ConfigurationError: no environment was found.
        UnavailableError: a lock file or the metadata of a package cannot be read.
        GateError: the interpreter does not answer.
    """
    tree = _read_tree(project)
    paths = tuple(tree.select(is_dependency_file))
    python = _read_python(project, rules)
    if python.unreadable:
        raise _unreadable(python.unreadable)
    return EnvironmentSource(
        project.root,
        *_name(project.root),
        lock_files=tuple(LockFileDigest(path, tree.files[path]) for path in paths),
        python=python,
        headers=tuple(map(_read_header, python.installed)),
        stamps=tuple(_stamp(project.root, path) for path in paths),
    )


def describe_environment(source: EnvironmentSource) -> EnvironmentDescription:
    """Describe a project's environment.

    1. Read the pins of the lock files, as the dependencies gate does.
    2. Find the licences and needs of the installed packages.
    3. Join both by name and version. A package that was not installed from an index matches no
       lock file.

    Raises:
        UnavailableError: a lock file cannot be read.
    """
    pins, gaps = _read_pins(source.root, tuple(one.path for one in source.lock_files))  # 1
    packages = _put_together(pins, _describe_installed(source))  # 2, 3
    version, _, other = source.python.version.partition("+")
    return EnvironmentDescription(
        project=source.name,
        version=source.version,
        implementation=other or "cpython",
        python=version,
        packages=packages,
        lock_files=source.lock_files,
        gaps=gaps,
    )


def _read_tree(project: Project) -> SourceTree:
    store = DigestStore(project.make_state() / "digests.sqlite", project.seal)
    tree = read_source_tree(project.root, store)
    store.save()
    missing = tree.missing_for(is_dependency_file)
    if missing:
        raise _unreadable([f"{path}: {reason}" for path, reason in missing.items()])
    return tree


def _stamp(root: Path, path: str) -> tuple[int, ...]:
    try:
        return stamp(os.stat(root / path))
    except OSError as error:
        raise _unreadable([f"{path}: {error.strerror}"]) from error


def _unreadable(texts: Iterable[str]) -> UnavailableError:
    found = [printable(text) for text in texts]
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return UnavailableError(
        f"cannot read a part of the bill: {'; '.join(found[:_SHOWN])}{more}",
        "fix or remove it, then run: ml-assets sbom",
    )


def _read_pins(root: Path, paths: tuple[str, ...]) -> tuple[_Pins, tuple[str, ...]]:
    """Read the pins of lock files with their hashes, and the entries without a version."""
    listing = read_dependency_files(root, paths)
    unread = [text for text in listing.hidden if not text.endswith(_GAPS)]
    if unread:
        raise _unreadable(unread)
    allowed: dict[str, Hashes] = {}
    pins: _Pins = {}
    for one in listing.packages:
        if one.path not in allowed:
            allowed[one.path] = find_hashes((root / one.path).read_text("utf-8"))
        key = (one.package.name, one.package.version)
        pin = pins.setdefault(key, _Pin())
        pin.locks.add(one.path)
        pin.hashes |= allowed[one.path].get(key, frozenset())
    return pins, listing.hidden


def _read_python(project: Project, rules: Rules) -> PythonEnvironment:
    found = find_stage_variables(project, rules, server=True)
    if found.python is None:
        raise ConfigurationError("no Python environment found", "create .venv, or set gates.python")
    return read_environment(found.python, found.variables, build_view(project, rules.settings))


def _describe_installed(source: EnvironmentSource) -> tuple[EnvironmentPackage, ...]:
    metadata = [
        (package, parse_metadata(header))
        for package, header in zip(source.python.installed, source.headers, strict=True)
    ]
    requirements: dict[str, tuple[str, ...]] = {}
    for package, said in metadata:
        requirements[package.key] = requirements.get(package.key, ()) + said.requirements
    needs = resolve_needs(requirements, _marker_environment(source.python.version))
    return tuple(
        EnvironmentPackage(
            name=package.key,
            version=build_package(package.name, package.version, 1).version,
            installed=True,
            licences=said.licences,
            depends_on=needs[package.key].names,
            unreadable=needs[package.key].unreadable,
            origin=_origin(package),
            revision=package.revision,
            editable=package.editable,
        )
        for package, said in metadata
    )


def _read_header(package: InstalledPackage) -> bytes:
    try:
        return read_metadata_header(package.location)
    except (OSError, ValueError) as error:
        raise _unreadable([f"{package.location}: {error}"]) from error


def _origin(package: InstalledPackage) -> str:
    """Return the source of a package that is from no index."""
    if package.direct_url.startswith("file:") or package.editable:
        return "local"
    if package.direct_url and _COMMIT.fullmatch(package.revision):
        return f"git+{package.direct_url}"
    return package.direct_url


def _marker_environment(version: str) -> Mapping[str, str]:
    """Return the environment of markers: this machine, and the project's interpreter."""
    number, _, other = version.partition("+")
    return {
        **{name: str(value) for name, value in default_environment().items()},
        "python_full_version": number,
        "python_version": ".".join(number.split(".")[:2]),
        "implementation_version": number,
        "implementation_name": other or "cpython",
        "platform_python_implementation": "PyPy" if other == "pypy" else "CPython",
    }


def _put_together(
    pins: _Pins, installed: tuple[EnvironmentPackage, ...]
) -> tuple[EnvironmentPackage, ...]:
    rest = dict(pins)
    found: list[EnvironmentPackage] = []
    for one in installed:
        pin = rest.pop((one.name, one.version), None) if not one.origin else None
        found.append(_pinned(one, pin) if pin is not None else one)
    return (
        *found,
        *(_pinned(EnvironmentPackage(*key), pin) for key, pin in rest.items()),
    )


def _pinned(package: EnvironmentPackage, pin: _Pin) -> EnvironmentPackage:
    return replace(package, locks=tuple(sorted(pin.locks)), hashes=tuple(sorted(pin.hashes)))


def _name(root: Path) -> tuple[str, str]:
    """Return a project's name and version from its ``pyproject.toml``."""
    file = root / "pyproject.toml"
    document = tomllib.loads(file.read_text("utf-8")) if file.is_file() else {}
    table = document.get("project")
    name, version = (
        (table.get("name"), table.get("version")) if isinstance(table, dict) else (None, None)
    )
    return (
        name if isinstance(name, str) and name else "project",
        version if isinstance(version, str) else "",
    )
