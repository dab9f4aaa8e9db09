"""The project's Python environment: its interpreter and what is installed there, from its files.

Nothing of the environment is imported. The interpreter is started once, isolated and without
``site``, so that no ``.pth`` file, ``sitecustomize`` or package runs; it names the directories that
it would search. Their ``*.dist-info`` and ``*.egg-info`` are then read as text.

Not seen: directories that only ``PYTHONPATH`` or a line of code in a ``.pth`` file adds, packages
copied in without metadata, and files changed in place after they were installed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from security.gates.interface import GateError, Task
from security.gates.subprocess import Command, run_tool
from security.printable import printable

_MARK = b"ml-assets environment"
_MOST_METADATA = 64 << 10
_HINT = "set the interpreter of the project's environment: gates.python"
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9!+.*_-]{1,128}")

# What `site` would do, without running anything that it finds. `sys.prefix` is set because Debian's
# getsitepackages() answers for a virtual environment only if it can see that it is one.
_SCRIPT = f"""
import os, site, sys
executable = os.path.abspath(sys.executable)
directory = os.path.dirname(executable)
marks = [os.path.join(d, "pyvenv.cfg") for d in (directory, os.path.dirname(directory))]
mark = next(filter(os.path.isfile, marks), None)
paths, system = [], True
if mark:
    lines = [line.partition("=") for line in open(mark, encoding="utf-8", errors="replace")]
    settings = {{key.strip().lower(): value.strip().lower() for key, _, value in lines}}
    system = settings.get("include-system-site-packages") == "true"
if system:
    if not os.environ.get("PYTHONNOUSERSITE"):
        paths.append(site.getusersitepackages())
    paths += site.getsitepackages([sys.base_prefix, sys.base_exec_prefix])
if mark:
    sys.prefix = sys.exec_prefix = os.path.dirname(mark)
    paths[:0] = site.getsitepackages([sys.prefix])
answer = [sys.implementation.name, sys.version.split()[0], sys.prefix, *paths]
mark = {_MARK!r}
sys.stdout.buffer.write(b"\\0".join([mark, *map(os.fsencode, answer), mark]))
"""


@dataclass(frozen=True, slots=True)
class Package:
    """One installed distribution.

    Attributes:
        name: as its metadata writes it.
        location: of its ``*.dist-info`` or ``*.egg-info``.
        editable: its code is a working directory, which may change under the same version.
        direct_url: where it was installed from, if not from an index; may be empty.
        revision: the commit or archive digest that ``direct_url`` stood for; may be empty.
    """

    name: str
    version: str
    location: str
    editable: bool = False
    direct_url: str = ""
    revision: str = ""

    @property
    def key(self) -> str:
        """Return the name in its one normal form."""
        return canonical_name(self.name)


@dataclass(frozen=True, slots=True)
class PythonEnvironment:
    """An interpreter, and what it can import that was installed with metadata.

    Attributes:
        python: the interpreter, as it was asked for.
        implementation: ``cpython``, as the interpreter calls itself.
        version: of the interpreter: ``3.11.7``.
        prefix: the root directory of the environment.
        paths: the directories that were looked at, the first of which wins.
        installed: by name; a name twice if one directory has it twice.
        unreadable: metadata that cannot be read, and why. What it stands for is installed all the
            same, so that nobody who needs all packages may pass over it.
        duplicates: normal names that one directory holds more than once.
        sha256: digest of interpreter version and installed names, versions and revisions.
    """

    python: Path
    implementation: str
    version: str
    prefix: str
    paths: tuple[str, ...]
    installed: tuple[Package, ...]
    unreadable: tuple[str, ...]
    duplicates: tuple[str, ...]
    sha256: str

    def packages(self) -> tuple[Package, ...]:
        """Return what is installed, by name."""
        return self.installed

    def version_of(self, distribution: str) -> str | None:
        """Return the version that is installed; None if there is none.

        Raises:
            GateError: it is there twice, so that nobody knows which one is imported.
        """
        key = canonical_name(distribution)
        if key in self.duplicates:
            raise GateError(
                f"installed twice in {self.prefix}: {key}", f"reinstall {key} in that environment"
            )
        return next((one.version for one in self.installed if one.key == key), None)


@dataclass(frozen=True, slots=True)
class _Interpreter:
    implementation: str
    version: str
    prefix: str
    sites: tuple[str, ...]


_interpreters: dict[tuple[object, ...], _Interpreter] = {}
_environments: dict[tuple[object, ...], PythonEnvironment] = {}


def canonical_name(name: str) -> str:
    """Return a distribution's name in its one normal form (name normalization of PyPI)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def environment_of(task: Task) -> PythonEnvironment:
    """Return the environment that a task gives.

    Raises:
        GateError: there is none, or it cannot be read.
    """
    if task.python is None:
        raise GateError("no environment of the project was found", _HINT)
    return read_environment(task.python, task.environment, denied=task.denied)


def read_environment(
    python: Path,
    variables: Mapping[str, str],
    *,
    denied: tuple[Path, ...] = (),
    timeout: float = 10.0,
) -> PythonEnvironment:
    """Describe an environment; a process is started for the first question only.

    The answer is kept in memory for as long as neither the interpreter nor one of the directories
    that it searches has changed: an installation changes them.

    Args:
        python: its interpreter.
        variables: of the process that is started.
        timeout: seconds for the interpreter to answer in.

    Raises:
        GateError: it is not there, is not a Python, or does not answer.
    """
    found = _ask(python, variables, denied, timeout)
    try:
        paths = tuple(_search(found.sites))
        key = (str(python), found, paths, tuple(_changed(path) for path in paths))
        if key not in _environments:
            _environments[key] = _describe(python, found, paths)
        return _environments[key]
    except OSError as error:
        raise GateError(
            f"cannot read {printable(found.prefix)}: {error.strerror}", _HINT
        ) from error


def _ask(
    python: Path, variables: Mapping[str, str], denied: tuple[Path, ...], timeout: float
) -> _Interpreter:
    """Ask an interpreter for its version and where it looks for packages."""
    try:
        status = python.stat()
    except OSError as error:
        raise GateError(f"no interpreter: {printable(str(python))}", _HINT) from error
    names = ("HOME", "PYTHONUSERBASE", "PYTHONNOUSERSITE")
    shaped = (status.st_mtime_ns, status.st_size, status.st_ino)
    key = (str(python), shaped, *(variables.get(name) for name in names))
    if key not in _interpreters:
        arguments = (str(python), "-I", "-S", "-B", "-c", _SCRIPT)
        command = Command(
            arguments, Path(python.anchor), variables, timeout, denied, most_output=1 << 16
        )
        try:
            ended = run_tool(command)
        except GateError as error:
            raise GateError(f"interpreter {printable(str(python))}: {error}", _HINT) from error
        _interpreters[key] = _parse_answer(python, ended.exit_code, ended.output)
    return _interpreters[key]


def _parse_answer(python: Path, exit_code: int, output: bytes) -> _Interpreter:
    first, *fields, last = output.split(b"\0") if b"\0" in output else (output, b"")
    texts = [os.fsdecode(field) for field in fields]
    if exit_code != 0 or not first == last == _MARK or len(texts) < 4:
        said = printable(output[:80].decode("utf-8", "replace")) or "nothing"
        raise GateError(
            f"not a Python: {printable(str(python))}: exit code {exit_code}, said {said}", _HINT
        )
    implementation, version, prefix, *sites = texts
    if not _VERSION.fullmatch(version) or not all(map(os.path.isabs, (prefix, *sites))):
        raise GateError(f"not a Python: {printable(str(python))}: unreadable answer", _HINT)
    return _Interpreter(implementation, version, prefix, tuple(dict.fromkeys(sites)))


def _search(sites: tuple[str, ...]) -> Iterator[str]:
    """List what is searched: each directory, then those that its ``.pth`` files name."""
    seen = set()
    for site in sites:
        for path in (site, *_named_directories(site)):
            if path not in seen and os.path.isdir(path):
                seen.add(path)
                yield path


def _named_directories(site: str) -> Iterator[str]:
    """List what the ``.pth`` files of a directory name; their lines of code are not run."""
    names = sorted(os.listdir(site)) if os.path.isdir(site) else []
    for name in names:
        if name.endswith(".pth") and not name.startswith("."):
            text = _read(os.path.join(site, name)).decode("utf-8", "surrogateescape")
            for line in map(str.strip, text.split("\n")):
                if line and "\0" not in line and not line.startswith(("#", "import ", "import\t")):
                    yield os.path.normpath(os.path.join(site, line))


def _changed(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_ino, status.st_mtime_ns


def _describe(python: Path, found: _Interpreter, paths: tuple[str, ...]) -> PythonEnvironment:
    packages: dict[str, list[Package]] = {}
    unreadable: list[str] = []
    for path in paths:
        here: dict[str, list[Package]] = {}
        for package in _read_directory(path, path in found.sites, unreadable):
            here.setdefault(package.key, []).append(package)
        packages = {**here, **packages}  # what an earlier directory holds hides the later
    installed = tuple(one for key in sorted(packages) for one in packages[key])
    duplicates = tuple(key for key in sorted(packages) if len(packages[key]) > 1)
    lines = [f"{found.implementation} {found.version}"]
    lines += [f"{one.key} {one.version} {one.revision}" for one in installed]
    lines += sorted(f"unreadable {os.path.basename(one.split(': ')[0])}" for one in unreadable)
    digest = hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
    return PythonEnvironment(
        python,
        found.implementation,
        found.version,
        found.prefix,
        paths,
        installed,
        tuple(unreadable),
        duplicates,
        digest,
    )


def _read_directory(path: str, site: bool, unreadable: list[str]) -> Iterator[Package]:
    """Read all metadata in a directory.

    Args:
        site: whether packages are installed there; else it is a working directory of one.
        unreadable: gets what cannot be read.
    """
    for name in sorted(os.listdir(path)):
        location = os.path.join(path, name)
        try:
            if name.endswith((".dist-info", ".egg-info")):
                yield _read_package(location, name, site)
            elif name.endswith(".egg"):
                unreadable.append(f"{location}: eggs are not read")
        except (OSError, ValueError) as error:
            unreadable.append(f"{location}: {error}")


def _read_package(location: str, name: str, site: bool) -> Package:
    """Read one package's metadata.

    Raises:
        ValueError: it is no metadata, or that of another name than its directory's.
        OSError: it cannot be opened.
    """
    stem, kind = os.path.splitext(name)
    if kind == ".egg-info":
        inner = os.path.join(location, "PKG-INFO") if os.path.isdir(location) else location
        return Package(*_parse_metadata(_read(inner)), location, editable=not site)
    written, version = _parse_metadata(_read(os.path.join(location, "METADATA")))
    if canonical_name(stem.rpartition("-")[0]) != canonical_name(written):
        raise ValueError(f"metadata of another package: {written}")
    return Package(written, version, location, *_read_origin(location))


def _parse_metadata(content: bytes) -> tuple[str, str]:
    """Return name and version (core metadata specification: both once, in the header)."""
    header = re.split(rb"\r?\n\r?\n", content, maxsplit=1)[0].decode("utf-8", "replace")
    found = []
    for field, pattern in (("Name", _NAME), ("Version", _VERSION)):
        values = re.findall(rf"^{field}:(.*)$", header, re.IGNORECASE | re.MULTILINE)
        if len(values) != 1 or not pattern.fullmatch(values[0].strip()):
            raise ValueError(f"no readable metadata: {len(values)} fields called {field}")
        found.append(values[0].strip())
    return found[0], found[1]


def _read_origin(location: str) -> tuple[bool, str, str]:
    """Return whether it is editable, its URL and revision (direct_url.json specification)."""
    try:
        content = _read(os.path.join(location, "direct_url.json"))
    except FileNotFoundError:
        return False, "", ""
    try:
        origin = json.loads(content)
        editable = origin.get("dir_info", {}).get("editable", False) is True
        archive = origin.get("archive_info", {})
        hashes = archive.get("hashes") or {"": archive.get("hash", "")}
        revision = origin.get("vcs_info", {}).get("commit_id", "") or min(hashes.values())
        return editable, str(origin["url"]), str(revision)
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise ValueError(f"no readable direct_url.json: {type(error).__name__}") from error


def _read(path: str) -> bytes:
    """Return the first 64 KiB of a regular file; a pipe would hold us for ever.

    Raises:
        OSError: there is no such file.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(f"not a regular file: {os.path.basename(path)}")
        return stream.read(_MOST_METADATA)
