"""The SBOM of a Python environment: locked and installed packages, written as bytes.

The writer takes values and reads nothing. The order of values does not change the bytes.
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

#: Algorithms of a lock's hashes with their names in CycloneDX. Weaker ones are left out.
ALGORITHMS = {"sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512"}
_SUBJECT = "environment"
_LONGEST_LICENCE = 200


@dataclass(frozen=True, slots=True)
class LockFileDigest:
    """A lock file: its path in the project, and its digest."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class EnvironmentPackage:
    """One package of one version.

    Attributes:
        name: normalized (PEP 503).
        version: normalized (PEP 440) if possible.
        locks: the paths of the lock files that pin this version.
        hashes: the file hashes in those lock files, as ``algorithm:hex``.
        installed: whether the environment contains it.
        licences: from its metadata: one SPDX expression, or names.
        depends_on: the names of the packages that it needs here.
        unreadable: malformed requirements in its metadata.
        origin: the address of its source if it is from no index; ``local`` for a path of this
            machine, which stays private.
        revision: the commit or digest of that address.
        editable: whether its code is a working directory that may change under the same version.
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
        """Return its package URL. A package from no index is not PyPI's package of that name."""
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
        """Return ``locked``, ``installed`` or ``locked-and-installed``."""
        return "-and-".join(["locked"] * bool(self.locks) + ["installed"] * self.installed)


@dataclass(frozen=True, slots=True)
class EnvironmentDescription:
    """The environment of a project.

    Attributes:
        project: the project's name.
        version: the project's version; may be empty.
        implementation: the interpreter's implementation: ``cpython``.
        python: the interpreter's version.
        gaps: entries of dependency files that pin no version.
        system: packages of the operating system, if known.
    """

    project: str
    version: str
    implementation: str
    python: str
    packages: tuple[EnvironmentPackage, ...]
    lock_files: tuple[LockFileDigest, ...] = ()
    gaps: tuple[str, ...] = ()
    system: tuple[SystemPackage, ...] = field(default=())


def write_environment_bill(
    environment: EnvironmentDescription, *, tool_version: str, timestamp: str | None = None
) -> bytes:
    """Write the SBOM of an environment.

    Args:
        timestamp: RFC 3339; None leaves it out, so that the bytes do not depend on the day.

    Raises:
        BillError: two components have one reference.
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


def _describe_interpreter(environment: EnvironmentDescription) -> Element:
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


def _describe_lock(file: LockFileDigest) -> Element:
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
    """Return declared licences: an SPDX identifier or expression, or plain names."""
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


def _graph(
    environment: EnvironmentDescription, packages: Sequence[EnvironmentPackage]
) -> dict[str, set[str]]:
    """Link packages with their needs, and the environment with the packages that nothing needs."""
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
