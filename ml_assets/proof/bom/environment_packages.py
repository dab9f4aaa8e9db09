"""The packages of a project's environment: locked and installed."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from packaging.markers import default_environment

from ml_assets.project.process_view import build_view
from ml_assets.project.interpreter import find_interpreter
from ml_assets.project.project import Project
from ml_assets.project.rules import Rules
from resources.dvc.run.stage_environment import build_environment
from resources.errors import ConfigurationError, UnavailableError
from resources.git.source_tree import SourceTree, read_source_tree
from resources.stores.digest_store import DigestStore
from security.advisories.packages.dependency_files import is_dependency_file, read_dependency_files
from security.advisories.packages.package import SkipReason
from security.advisories.packages.requirements import build_package
from security.bom.lock_hashes import Hashes, find_hashes
from security.bom.package_metadata import PackageMetadata, read_metadata, resolve_needs
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


def describe_environment(project: Project, rules: Rules) -> EnvironmentDescription:
    """Describe a project's environment.

    1. Read the lock files of the source tree, as the dependencies gate does.
    2. Read the packages that are installed in the stages' environment.
    3. Join both by name and version. A package that was not installed from an index matches no
       lock file.

    Raises:
        ConfigurationError: no environment was found.
        UnavailableError: a lock file or the metadata of a package cannot be read.
        GateError: the interpreter does not answer.
    """
    tree = _read_tree(project)  # 1
    paths = tuple(tree.select(is_dependency_file))
    pins, gaps = _read_pins(project.root, paths)
    python = _read_python(project, rules)  # 2
    packages = _put_together(pins, _read_installed(python))  # 3
    version, _, other = python.version.partition("+")
    name, own_version = _name(project.root)
    return EnvironmentDescription(
        project=name,
        version=own_version,
        implementation=other or "cpython",
        python=version,
        packages=packages,
        lock_files=tuple(LockFileDigest(path, tree.files[path]) for path in paths),
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
    settings = project.settings
    python = find_interpreter(project.root, settings.gates.python, os.environ)
    if python is None:
        raise ConfigurationError("no Python environment found", "create .venv, or set gates.python")
    variables = build_environment(os.environ, server=True, allowed=settings.environment).variables
    return read_environment(python, variables, build_view(project, rules.settings))


def _read_installed(python: PythonEnvironment) -> tuple[EnvironmentPackage, ...]:
    if python.unreadable:
        raise _unreadable(python.unreadable)
    metadata = [(package, _metadata(package)) for package in python.installed]
    requirements: dict[str, tuple[str, ...]] = {}
    for package, said in metadata:
        requirements[package.key] = requirements.get(package.key, ()) + said.requirements
    needs = resolve_needs(requirements, _marker_environment(python.version))
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


def _metadata(package: InstalledPackage) -> PackageMetadata:
    try:
        return read_metadata(package.location)
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
