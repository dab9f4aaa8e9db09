"""The gate ``model-file``: files that can run code when they are loaded.

The scanner never loads a model. It detects the format of a file from its content
(``security/model_scan``), not from its name. In an out that the project declares a model, every
file counts: companion files, such as texts and pictures, must match in name and content and hold
nothing that a model loader could read, and a file of unknown format is a finding. In any other out,
only files that a loader can make code of count, whatever their names; the rest is data.
"""

from __future__ import annotations

import functools
import hashlib
import os
import sys
import threading
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from security.content.digest import digest_tree
from security.content.model_name import is_model_name
from security.content.out_files import (
    OutFile,
    RefusedFile,
    identify,
    is_behind_link,
    open_data,
    open_files,
)
from security.gates.context import GateContext
from security.gates.interface import GateError, Json, Kind, Place, Report, Task, Tool
from security.gates.model.scanned_out import ScannedOut
from security.gates.tool.out_bytes import digest_descriptor, linked_out, unreadable_out
from security.gates.tool.own_tools import own_version
from security.gates.tool.tool_process import REINSTALL, ToolCommand, run_tool
from security.model_scan import report as scans
from security.model_scan.byte_stream import Stored
from security.model_scan.candidate import is_candidate, is_pointer
from security.model_scan.child import scan_open_in_child
from security.model_scan.companion_files import is_bystander, is_configuration
from security.model_scan.format import recognise
from security.model_scan.limits import MEBI, ScanLimits
from security.model_scan.model_content import is_model
from security.model_scan.report import Format, ScanPurpose, UnscannedError
from security.model_scan.second_opinion import Opinion, parse_opinions
from security.sandbox.worker import start_code

_PACKAGE = Path(scans.__file__).parent
_START = start_code("security.model_scan.second_opinion")
_NO_PICKLES = (Format.ONNX, Format.SAFETENSORS)
_WEIGHTS = (*_NO_PICKLES, Format.GGUF, Format.TORCH_LEGACY)
_COMPANIONS = (ScanPurpose.BYSTANDER, ScanPurpose.CONFIGURATION)
_HEAD = 512
_MOST_PATHS = 100  # for one process


class ModelFileGate:
    """Scan model files, with picklescan as a second opinion.

    Args:
        limits: limits of the scanner process, for one file.
        most_files: largest number of files in a model.
        declared: locations that the project says are models; None if all outs are.
    """

    name = "model-file"
    kind = Kind.MODEL
    place = Place.CHECKOUT

    def __init__(
        self,
        limits: ScanLimits | None = None,
        most_files: int = 1000,
        declared: Collection[str] | None = None,
    ) -> None:
        self._limits = limits or ScanLimits()
        self._most_files = most_files
        self._declared = declared

    @classmethod
    def from_context(cls, context: GateContext) -> ModelFileGate:
        """Build the gate for a project."""
        return cls(declared=context.project.named_models)

    def reads(self, path: str) -> bool:
        """Read no file of the source tree."""
        return False

    def configures(self, path: str) -> bool:
        """Take no configuration from the source tree."""
        return False

    def tool(self, task: Task) -> Tool:
        """Return the scanner, with the digest of its source, and picklescan, even if missing."""
        configuration: dict[str, Json] = {
            "limits": asdict(self._limits),
            "most-files": self._most_files,
            "declared": self._is_declared(task.subject),
        }
        version = f"reader {_reader_sha256()}, picklescan {_picklescan_version() or 'missing'}"
        return Tool(self.name, version, configuration)

    def judge(self, task: Task) -> Report:
        """Scan the files of the out.

        1. Refuse a model behind a symbolic link.
        2. Run picklescan on the files that may hold a pickle.
        3. Meanwhile scan one file after another, from the descriptor that is also digested. In an
           out that no one declares a model, only files that a loader might make code of count.
        4. Check that both have read the same files, and that no file has changed.

        Raises:
            GateError: the out is missing, or the scan exceeds its time limit.
        """
        if task.out is None:
            raise GateError("no model to scan", "name the out of a model")
        found = ScannedOut(task, self._is_declared(task.subject))
        found.weights = found.declared or self._has_weights(task.out)
        if found.declared and is_behind_link(task.out, task.directory):  # 1
            raise linked_out(task)
        try:
            _compare(self._scan_files(task, task.out, found), found)  # 4
        except OSError as error:
            raise unreadable_out(task, error) from error
        return found.report()

    def _is_declared(self, subject: str) -> bool:
        """Say whether the project says that a subject, or a directory around it, is a model."""
        if self._declared is None:
            return True
        parts = subject.split("/")
        return any("/".join(parts[:count]) in self._declared for count in range(1, len(parts) + 1))

    def _has_weights(self, out: Path) -> bool:
        """Say whether data is a directory with the weights of a model."""
        return out.is_dir() and any(map(_is_weights, open_data(out)))

    def _open(self, out: Path, declared: bool) -> Iterator[OutFile | RefusedFile]:
        """Open the files of an out; those of data are reached through links as well."""
        return open_files(out, self._most_files) if declared else open_data(out)

    def _scan_files(self, task: Task, out: Path, found: ScannedOut) -> Mapping[str, Opinion] | str:
        """Scan every file; return picklescan's opinions, or why they are missing."""
        with ThreadPoolExecutor(2) as pool, _alarm(task.timeout) as late:
            pickles = self._find_pickles(task, out, found)
            opinions = pool.submit(_read_opinions, task, pickles)  # 2
            for file in self._open(out, found.declared):
                if late.is_set():
                    raise GateError(f"still running after {task.timeout:g} s", "raise timeout")
                if isinstance(file, RefusedFile):
                    found.refuse(file)
                elif (purpose := _purpose_of(task, file, found)) is None:
                    found.passed += 1
                else:
                    self._scan_file(task, file, found, purpose, pool)  # 3
            return opinions.result()

    def _scan_file(
        self,
        task: Task,
        file: OutFile,
        found: ScannedOut,
        purpose: ScanPurpose,
        pool: ThreadPoolExecutor,
    ) -> None:
        """Scan and digest one file."""
        digest = pool.submit(digest_descriptor, file.descriptor)
        if _may_hold_pickle(file):
            found.pickles.add(file.path)
        limits = replace(self._limits, wall=min(self._limits.wall, task.timeout))
        scan = scan_open_in_child(file.descriptor, limits, purpose)
        found.models += is_model(file.descriptor, file.identity[2])
        found.add(file, scan, digest.result(), bystander=purpose in _COMPANIONS)
        if identify(file.descriptor) != file.identity:
            found.note(file.path, "the file changed during the scan")

    def _find_pickles(self, task: Task, out: Path, found: ScannedOut) -> tuple[str, ...]:
        """Return the files that may hold a pickle, which picklescan reads."""
        files = (one for one in self._open(out, found.declared) if isinstance(one, OutFile))
        scanned = (one for one in files if _purpose_of(task, one, found) is not None)
        return tuple(file.path for file in scanned if _may_hold_pickle(file))


def _purpose_of(task: Task, file: OutFile, found: ScannedOut) -> ScanPurpose | None:
    """Return the purpose of a file; None for data that no loader can make code of."""
    size = file.identity[2]
    strict = found.declared or is_model_name(file.path or task.subject)
    if strict and not found.declared and is_pointer(file.descriptor, size):
        return None
    if strict or (found.weights and is_configuration(file.path)):
        if is_bystander(file.path, file.descriptor, size):
            configures = is_configuration(file.path)
            return ScanPurpose.CONFIGURATION if configures else ScanPurpose.BYSTANDER
        return ScanPurpose.MODEL
    return ScanPurpose.DATA if is_candidate(file.descriptor, size) else None


def _is_weights(file: OutFile) -> bool:
    """Say whether a file makes its directory one that a model's loader reads."""
    archive = os.pread(file.descriptor, _HEAD, 0)
    torch = archive.startswith(b"PK") and b"/data.pkl" in archive
    return is_model_name(file.path) or torch or _recognise(file) in _WEIGHTS


def _recognise(file: OutFile) -> Format | None:
    """Return the format of a file; None if it is unknown or not supported."""
    try:
        return recognise(Stored(file.descriptor, 0, file.identity[2]))
    except UnscannedError:
        return None


def _may_hold_pickle(file: OutFile) -> bool:
    """Say whether the format of a file is a pickle, or may contain one."""
    return _recognise(file) not in (*_NO_PICKLES, None)


def _read_opinions(task: Task, paths: tuple[str, ...]) -> Mapping[str, Opinion] | str:
    """Return picklescan's opinions of files, or why they are missing."""
    if _picklescan_version() is None:
        return "tool missing: picklescan"
    opinions: dict[str, Opinion] = {}
    try:
        for start in range(0, len(paths), _MOST_PATHS):
            part = paths[start : start + _MOST_PATHS]
            opinions.update(zip(part, _run_picklescan(task, part), strict=True))
    except GateError as error:
        return error.message
    return opinions


def _run_picklescan(task: Task, paths: tuple[str, ...]) -> tuple[Opinion, ...]:
    """Run picklescan on some files.

    Raises:
        GateError: picklescan failed, or its output is unreadable.
    """
    out = task.out or task.directory
    # Data is read through links; the opinion names the file that was read.
    files = [os.path.realpath(out.joinpath(*filter(None, (path,)))) for path in paths]
    arguments = (sys.executable, "-I", "-c", _START, str(_PACKAGE.parents[1]), *files)
    environment = {**task.environment, "OPENBLAS_NUM_THREADS": "1"}
    limits = (task.timeout, task.view, 4 * MEBI, 2048 * MEBI)
    ended = run_tool(ToolCommand(arguments, task.scratch, environment, *limits))
    if ended.exit_code != 0:
        raise GateError(f"picklescan failed, exit code {ended.exit_code}", REINSTALL)
    try:
        return parse_opinions(ended.output, len(paths))
    except ValueError as error:
        raise GateError(f"unreadable output of picklescan: {error}", REINSTALL) from error


def _compare(opinions: Mapping[str, Opinion] | str, found: ScannedOut) -> None:
    """Add the findings of picklescan, and check that it has read the same files."""
    if isinstance(opinions, str):
        found.note("", f"no second opinion: {opinions}")
        return
    for path in sorted(found.pickles - opinions.keys()):
        found.note(path, "picklescan did not read this file")
    for path, opinion in opinions.items():
        for name in opinion.dangerous:
            found.add_second(path, name)
        file = found.scanned.get(path)
        if file is not None and opinion.identity != file.identity:
            found.note(path, "picklescan did not read this file")


@contextmanager
def _alarm(seconds: float) -> Iterator[threading.Event]:
    """Set an event after a time."""
    late = threading.Event()
    timer = threading.Timer(seconds, late.set)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()


def _picklescan_version() -> str | None:
    try:
        return own_version("picklescan")
    except GateError:
        return None


@functools.cache
def _reader_sha256() -> str:
    """Return the digest of the scanner's source: a changed rule makes a different tool."""
    sources = sorted(_PACKAGE.rglob("*.py"))
    return digest_tree(
        (one.relative_to(_PACKAGE).as_posix(), hashlib.sha256(one.read_bytes()).hexdigest())
        for one in sources
    )
