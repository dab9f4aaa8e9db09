"""The gate ``model-file``: model files that can run code when they are loaded.

The scanner never loads a model. It detects the format of a file from its content
(``security/model_scan``), not from its name. A directory may also hold companion files, such as
texts and pictures: files with a matching name and content, and with nothing that a model loader
could read. They are counted and not scanned. Any other file of unknown format is an error. So is a
model in a text format, such as LightGBM's: alone its format is unknown, and in a directory it
counts as a companion. A JSON document is scanned if it is the out itself; in a directory it counts
as a companion.
"""

from __future__ import annotations

import functools
import hashlib
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from security.content.digest import digest_tree
from security.content.out_files import OutFile, RefusedFile, identify, is_behind_link, open_files
from security.content.printable import printable
from security.finding import Finding, Severity
from security.gates.interface import GateError, Json, Kind, Place, Report, Task, Tool
from security.gates.tool.out_bytes import (
    digest_descriptor,
    digest_fact,
    linked_out,
    unreadable_out,
)
from security.gates.tool.own_tools import own_version
from security.gates.tool.reason_list import join_reasons
from security.gates.tool.tool_process import REINSTALL, ToolCommand, run_tool
from security.model_scan import report as scans
from security.model_scan.byte_stream import Stored
from security.model_scan.child import scan_open_in_child
from security.model_scan.companion_files import is_bystander
from security.model_scan.format import recognise
from security.model_scan.limits import MEBI, ScanLimits
from security.model_scan.report import Format, UnscannedError
from security.model_scan.second_opinion import Opinion, parse_opinions
from security.sandbox.worker import start_code

_PACKAGE = Path(scans.__file__).parent
_START = start_code("security.model_scan.second_opinion")
_NO_PICKLES = (Format.ONNX, Format.SAFETENSORS)
_MOST_PATHS = 100  # for one process


@dataclass(slots=True)
class _Progress:
    """The report while the files of an out are scanned."""

    findings: list[Finding] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    digests: list[tuple[str, str]] = field(default_factory=list)
    scanned: dict[str, OutFile] = field(default_factory=dict)
    pickles: set[str] = field(default_factory=set)
    skipped: int = 0
    size: int = 0
    formats: set[str] = field(default_factory=set)


class ModelFileGate:
    """Scan model files, with picklescan as a second opinion.

    Args:
        limits: limits of the scanner process, for one file.
        most_files: largest number of files in an out.
    """

    name = "model-file"
    kind = Kind.MODEL
    place = Place.CHECKOUT

    def __init__(self, limits: ScanLimits | None = None, most_files: int = 1000) -> None:
        self._limits = limits or ScanLimits()
        self._most_files = most_files

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
        }
        version = f"reader {_reader_sha256()}, picklescan {_picklescan_version() or 'missing'}"
        return Tool(self.name, version, configuration)

    def judge(self, task: Task) -> Report:
        """Scan every file of the out.

        1. Refuse an out behind a symbolic link.
        2. Run picklescan on the files that may hold a pickle.
        3. Meanwhile scan one file after another, from the descriptor that is also digested.
        4. Check that both have read the same files, and that no file has changed.

        Raises:
            GateError: the out is missing, or the scan exceeds its time limit.
        """
        if task.out is None:
            raise GateError("no model to scan", "name the out of a model")
        if is_behind_link(task.out, task.directory):  # 1
            raise linked_out(task)
        progress = _Progress()
        try:
            _compare(task, self._scan_files(task, task.out, progress), progress)  # 4
        except OSError as error:
            raise unreadable_out(task, error) from error
        return _report(progress)

    def _scan_files(
        self, task: Task, out: Path, progress: _Progress
    ) -> Mapping[str, Opinion] | str:
        """Scan every file; return picklescan's opinions, or why they are missing."""
        with ThreadPoolExecutor(2) as pool, _alarm(task.timeout) as late:
            opinions = pool.submit(_read_opinions, task, self._find_pickles(out))  # 2
            for file in open_files(out, self._most_files):
                if late.is_set():
                    raise GateError(f"still running after {task.timeout:g} s", "raise timeout")
                self._scan_file(task, file, progress, pool)  # 3
            return opinions.result()

    def _scan_file(
        self, task: Task, file: OutFile | RefusedFile, progress: _Progress, pool: ThreadPoolExecutor
    ) -> None:
        """Scan and digest one file."""
        if isinstance(file, RefusedFile):
            progress.reasons.append(_about(file.path, file.reason))
            return
        digest = pool.submit(digest_descriptor, file.descriptor)
        if _may_hold_pickle(file):
            progress.pickles.add(file.path)
        bystander = is_bystander(file.path, file.descriptor, file.identity[2])
        limits = replace(self._limits, wall=min(self._limits.wall, task.timeout))
        scan = scan_open_in_child(file.descriptor, limits, bystander=bystander)
        progress.digests.append((file.path, digest.result()))
        progress.size += scan.size
        if identify(file.descriptor) != file.identity:
            progress.reasons.append(_about(file.path, "the file changed during the scan"))
        if scan.unjudged is not None:
            progress.reasons.append(_about(file.path, scan.unjudged))
        progress.findings += [_finding(task, file.path, one) for one in scan.findings]
        if bystander and not scan.findings:
            progress.skipped += 1
        elif scan.findings or scan.unjudged is None:
            progress.formats.add(scan.format.value)
            progress.scanned[file.path] = file

    def _find_pickles(self, out: Path) -> tuple[str, ...]:
        """Return the files that may hold a pickle, which picklescan reads."""
        files = (one for one in open_files(out, self._most_files) if isinstance(one, OutFile))
        return tuple(file.path for file in files if _may_hold_pickle(file))


def _may_hold_pickle(file: OutFile) -> bool:
    """Say whether the format of a file is a pickle, or may contain one."""
    try:
        return recognise(Stored(file.descriptor, 0, file.identity[2])) not in _NO_PICKLES
    except UnscannedError:
        return False


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
    files = [str(out / path) if path else str(out) for path in paths]
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


def _compare(task: Task, opinions: Mapping[str, Opinion] | str, progress: _Progress) -> None:
    """Add the findings of picklescan, and check that it has read the same files."""
    if isinstance(opinions, str):
        progress.reasons.append(f"no second opinion: {opinions}")
        return
    for path in sorted(progress.pickles - opinions.keys()):
        progress.reasons.append(_about(path, "picklescan did not read this file"))
    for path, opinion in opinions.items():
        progress.findings += [_second_finding(task, path, name) for name in opinion.dangerous]
        file = progress.scanned.get(path)
        if file is not None and opinion.identity != file.identity:
            progress.reasons.append(_about(path, "picklescan did not read this file"))


def _finding(task: Task, path: str, found: scans.ScanFinding) -> Finding:
    """Convert a finding of the scanner."""
    return Finding(
        found.rule,
        f"{found.message} ({found.location})",
        Severity(found.severity.value),
        path=_project_path(task, path),
        aliases=(f"{found.rule}:{found.subject}",) if found.subject else (),
    )


def _second_finding(task: Task, path: str, name: str) -> Finding:
    shown = printable(name)
    return Finding(
        f"picklescan:{shown}",
        f"dangerous import, according to picklescan: {shown}",
        Severity.HIGH,
        path=_project_path(task, path),
    )


def _project_path(task: Task, path: str) -> str:
    return printable(f"{task.subject}/{path}" if path else task.subject, 4096)


def _report(progress: _Progress) -> Report:
    """Build the report."""
    facts: dict[str, str | int | float] = {
        "formats": ", ".join(sorted(progress.formats)),
        "bytes": progress.size,
        "files": len(progress.digests),
        "skipped": progress.skipped,
    }
    facts |= digest_fact(progress.digests)
    if not progress.scanned and not progress.reasons:
        progress.reasons.append("no model file in the out")
    return Report(
        tuple(progress.findings), len(progress.scanned), join_reasons(progress.reasons), facts
    )


def _about(path: str, reason: str) -> str:
    return f"{printable(path)}: {reason}" if path else reason


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
