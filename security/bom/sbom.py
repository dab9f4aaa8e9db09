"""The SBOM of a Python environment: from what the lock allows and what is installed, to bytes.

It takes values and reads nothing. Whatever order they come in, the bytes are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from security.advisories.packages.package import Package as SystemPackage
from security.bom.cyclonedx import (
    Element,
    clean,
    describe_tool,
    list_properties,
    public_address,
    sha256_hash,
    write_document,
)
from security.gates.interface import Json

#: Algorithms of a lock's hashes, as CycloneDX calls them. Weaker ones are no evidence.
ALGORITHMS = {"sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512"}
_SUBJECT = "environment"
_LONGEST_LICENCE = 200


@dataclass(frozen=True, slots=True)
class LockFile:
    """A file that pins packages, by its path in the project."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class EnvironmentPackage:
    """One package of one version.

    Attributes:
        name: in its one normal form (PEP 503).
        version: in its one normal form (PEP 440), where it has one.
        locks: the paths of the lock files that pin this version.
        hashes: of the files that these allow, as ``algorithm:hex``.
        installed: it is there in the environment.
        licences: as its metadata state them: one expression of SPDX, or names.
        depends_on: the names of the packages that it needs here.
        unreadable: requirements in its metadata that nobody can parse.
        origin: the address that it was installed from, if from no index: ``local`` for one of this
            machine, whose path is nobody's business.
        revision: the commit or digest that the address stood for.
        editable: its code is a working directory, which may change under the same version.
    """

    name: str
    version: str
    locks: tuple[str, ...] = ()
    hashes: tuple[str, ...] = ()
    installed: bool = False
    licences: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    origin: str = ""
    revision: str = ""
    editable: bool = False

    @property
    def purl(self) -> str:
        """Return its package URL. What is from no index is not PyPI's package of that name."""
        version = quote(self.version, safe="")
        if not self.origin:
            return f"pkg:pypi/{self.name}@{version}"
        plain = f"pkg:generic/{self.name}@{version}"
        if self.origin == "local":
            return plain
        address = public_address(self.origin)
        revision = clean(self.revision, 128)
        if address.startswith(("git+", "hg+", "svn+", "bzr+")):
            at = f"@{revision}" if revision else ""
            return f"{plain}?vcs_url={quote(address + at, safe=':/')}"
        return f"{plain}?download_url={quote(address, safe=':/')}"

    @property
    def state(self) -> str:
        """Say where it is: ``locked``, ``installed`` or ``locked-and-installed``."""
        return "-and-".join(["locked"] * bool(self.locks) + ["installed"] * self.installed)


@dataclass(frozen=True, slots=True)
class Environment:
    """What the bill is about.

    Attributes:
        project: the name of the project whose environment it is.
        version: of the project; empty if it has none.
        implementation: of the interpreter: ``cpython``.
        python: the interpreter's version.
        gaps: entries of dependency files that name no package of one version.
        system: packages of the operating system, if they are known.
    """

    project: str
    version: str
    implementation: str
    python: str
    packages: tuple[EnvironmentPackage, ...]
    lock_files: tuple[LockFile, ...] = ()
    gaps: tuple[str, ...] = ()
    system: tuple[SystemPackage, ...] = field(default=())


def write_environment_bill(
    environment: Environment, *, tool_version: str, timestamp: str | None = None
) -> bytes:
    """Write the SBOM of an environment.

    Args:
        timestamp: when it was made (RFC 3339); None leaves it out, so that the same environment
            gives the same bytes on another day.
    """
    packages = environment.packages
    components = [_describe_interpreter(environment), *map(_describe_lock, environment.lock_files)]
    components += [_describe_package(one, packages) for one in packages]
    components += [_describe_system_package(one) for one in environment.system]
    metadata: Element = {"timestamp": timestamp} if timestamp else {}
    metadata["tools"] = describe_tool(tool_version)
    metadata["component"] = {
        "type": "application",
        "bom-ref": _SUBJECT,
        "name": clean(environment.project),
        "version": clean(environment.version) or "unknown",
    }
    metadata["properties"] = list_properties(("lock:gap", one) for one in environment.gaps)
    aggregate = "incomplete" if environment.gaps else "unknown"
    return write_document(
        metadata,
        components,
        _graph(environment, packages),
        [{"aggregate": aggregate, "assemblies": [_SUBJECT]}],
    )


def _describe_interpreter(environment: Environment) -> Element:
    name, version = environment.implementation, environment.python
    element: Element = {
        "type": "platform",
        "bom-ref": f"interpreter:{name}",
        "name": name,
        "version": version,
    }
    if name == "cpython":
        element["cpe"] = f"cpe:2.3:a:python:python:{version}:*:*:*:*:*:*:*"
    element["purl"] = f"pkg:generic/{'python' if name == 'cpython' else name}@{version}"
    return element


def _describe_lock(file: LockFile) -> Element:
    return {
        "type": "file",
        "bom-ref": f"lock:{clean(file.path)}",
        "name": clean(file.path),
        "version": f"sha256:{file.sha256}",
        "hashes": [sha256_hash(file.sha256)],
    }


def _describe_package(
    package: EnvironmentPackage, packages: Sequence[EnvironmentPackage]
) -> Element:
    element: Element = {
        "type": "library",
        "bom-ref": package.purl,
        "name": package.name,
        "version": package.version,
    }
    if not package.installed:
        element["scope"] = "optional"
    licences = describe_licences(package.licences)
    if licences:
        element["licenses"] = licences
    element["purl"] = package.purl
    hashes = _describe_hashes(package.hashes)
    if hashes:
        element["externalReferences"] = [_describe_distribution(package, hashes)]
    others = [one.purl for one in packages if one.name == package.name and one.purl != package.purl]
    missing = [*(["hashes"] if not hashes else []), *(["licences"] if not licences else [])]
    element["properties"] = list_properties(_properties(package, others, missing))
    return element


def _describe_distribution(package: EnvironmentPackage, hashes: list[Json]) -> Element:
    return {
        "type": "distribution",
        "url": package.purl,
        "comment": "the lock allows a file with one of these digests",
        "hashes": hashes,
    }


def _properties(
    package: EnvironmentPackage, others: Iterable[str], missing: Iterable[str]
) -> list[tuple[str, str]]:
    found = [("package:state", package.state)]
    found += [("package:lock-file", path) for path in package.locks]
    found += [("package:missing", one) for one in missing]
    found += [("package:other", one) for one in others]
    found += [("package:unreadable-requirement", one) for one in package.unreadable]
    if package.origin:
        is_local = package.origin == "local"
        address = "local" if is_local else public_address(package.origin)
        found.append(("package:origin", address))
    if package.revision:
        found.append(("package:revision", package.revision))
    return [*found, ("package:editable", "true")] if package.editable else found


def _describe_hashes(hashes: Iterable[str]) -> list[Json]:
    pairs = sorted({(one.partition(":")[0], one.partition(":")[2].lower()) for one in hashes})
    return [
        {"alg": ALGORITHMS[algorithm], "content": content}
        for algorithm, content in pairs
        if algorithm in ALGORITHMS
    ]


def describe_licences(texts: Sequence[str]) -> list[Json]:
    """Return licences as declared: an identifier or expression of SPDX, or names as they are."""
    from cyclonedx.spdx import is_supported_id
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    found: list[Json] = []
    for text in sorted({clean(one, _LONGEST_LICENCE) for one in texts} - {""}):
        try:
            expression: str = canonicalize_license_expression(text)
        except (InvalidLicenseExpression, ValueError):
            expression = ""
        if expression and is_supported_id(expression):
            licence: Element = {"id": expression}
        elif expression and len(texts) == 1:
            return [{"expression": expression, "acknowledgement": "declared"}]
        else:
            licence = {"name": text}
        found.append({"license": {**licence, "acknowledgement": "declared"}})
    return found


def _describe_system_package(package: SystemPackage) -> Element:
    system, _, release = package.ecosystem.lower().partition(":")
    distribution = f"&distro={quote(f'{system}-{release}', safe='')}" if release else ""
    purl = f"pkg:deb/{system}/{quote(package.name, safe='')}@{quote(package.version, safe='')}"
    return {
        "type": "library",
        "bom-ref": f"{purl}?arch=source{distribution}",
        "name": clean(package.name),
        "version": clean(package.version),
        "purl": f"{purl}?arch=source{distribution}",
    }


def _graph(environment: Environment, packages: Sequence[EnvironmentPackage]) -> dict[str, set[str]]:
    """Link packages with what they need here, and the environment with what nothing else needs."""
    installed: dict[str, set[str]] = {}
    for package in packages:
        if package.installed:
            installed.setdefault(package.name, set()).add(package.purl)
    graph: dict[str, set[str]] = {
        package.purl: set().union(*(installed.get(name, set()) for name in package.depends_on))
        - {package.purl}
        for package in packages
    }
    graph |= {str(_describe_system_package(one)["bom-ref"]): set() for one in environment.system}
    graph |= {str(_describe_lock(one)["bom-ref"]): set() for one in environment.lock_files}
    graph[str(_describe_interpreter(environment)["bom-ref"])] = set()
    needed = set().union(*graph.values())
    absent = {package.purl for package in packages if not package.installed}
    return {**graph, _SUBJECT: set(graph) - needed - absent}
