"""Model files: whether loading one can run code, judged by a reader that never loads it.

A file is judged by its content (``security/model_scan``), whatever its name says. Beside the models
of a directory there may be texts and pictures: a name that says so, content that keeps to it, and
nothing in it that a loader of models could read; they are counted, not judged. Everything else that
is not known is unjudged. That includes a model that is itself a text, such as LightGBM's: alone it
is no format that can be judged, and beside others it is not one of the models. A JSON document is
judged where it is the out itself; in a directory it counts as a text beside the models.
"""

from __future__ import annotations

import functools
import hashlib
import os
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
from security.gates.tool.own_tools import own_version
from security.gates.tool.tool_process import ToolCommand, run_tool
from security.model_scan import report as scans
from security.model_scan.byte_stream import Stored
from security.model_scan.child import scan_open_in_child
from security.model_scan.companion_files import is_bystander
from security.model_scan.format import recognise
from security.model_scan.limits import MEBI, Limits
from security.model_scan.report import Format, UnjudgedError
from security.model_scan.second_opinion import Opinion, parse_opinions

_PACKAGE = Path(scans.__file__).parent
_START = (
    "import sys; sys.path.append(sys.argv[1]);"
    " from security.model_scan.second_opinion import answer; answer(sys.argv[2:])"
)
_NO_PICKLES = (Format.ONNX, Format.SAFETENSORS)
_CHUNK = 1 << 20
_MOST_PATHS = 100  # of one process
_MOST_REASONS = 5


@dataclass(slots=True)
class _Notes:
    """What has been learnt of an out so far."""

    findings: list[Finding] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    digests: list[tuple[str, str]] = field(default_factory=list)
    judged: dict[str, OutFile] = field(default_factory=dict)
    skipped: int = 0
    size: int = 0
    formats: set[str] = field(default_factory=set)


class ModelFileGate:
    """The reader of model files, with picklescan as a second opinion.

    Args:
        limits: of the reader's process, for one file.
        most_files: of one out.
    """

    name = "model-file"
    kind = Kind.MODEL
    place = Place.CHECKOUT

    def __init__(self, limits: Limits | None = None, most_files: int = 1000) -> None:
        self._limits = limits or Limits()
        self._most_files = most_files

    def reads(self, path: str) -> bool:
        """Read no file of the source tree."""
        return False

    def configures(self, path: str) -> bool:
        """Take no configuration from the source tree."""
        return False

    def tool(self, task: Task) -> Tool:
        """Name the reader, by its own source text, and picklescan, also where it is missing."""
        configuration: dict[str, Json] = {
            "limits": asdict(self._limits),
            "most-files": self._most_files,
        }
        version = f"reader {_reader_sha256()}, picklescan {_picklescan_version() or 'missing'}"
        return Tool(self.name, version, configuration)

    def judge(self, task: Task) -> Report:
        """Judge every file of the out.

        1. What lies behind a link is not the out.
        2. picklescan reads the files in which a pickle can be, while
        3. our reader judges one after another, each from the descriptor that is digested too.
        4. Both have seen the same files, and these have not changed.

        Raises:
            GateError: there is no out, or it took too long.
        """
        if task.out is None:
            raise GateError("no model was given", "name the out to judge")
        if is_behind_link(task.out, task.directory):  # 1
            raise GateError(f"behind a symbolic link: {printable(task.subject)}", "remove the link")
        notes = _Notes()
        try:
            _compare(task, self._judge_files(task, task.out, notes), notes)  # 4
        except OSError as error:
            what = error.strerror or type(error).__name__
            raise GateError(f"cannot be read: {what.lower()}", "look at the out") from error
        return _report(notes)

    def _judge_files(self, task: Task, out: Path, notes: _Notes) -> Mapping[str, Opinion] | str:
        """Judge every file; return picklescan's opinions, or why there are none."""
        with ThreadPoolExecutor(2) as pool, _alarm(task.timeout) as late:
            asked = pool.submit(_ask_picklescan, task, self._find_pickles(out))  # 2
            for file in open_files(out, self._most_files):
                if late.is_set():
                    raise GateError(f"still running after {task.timeout:g} s", "raise timeout")
                self._judge_file(task, file, notes, pool)  # 3
            return asked.result()

    def _judge_file(
        self, task: Task, file: OutFile | RefusedFile, notes: _Notes, pool: ThreadPoolExecutor
    ) -> None:
        """Judge and digest one file."""
        if isinstance(file, RefusedFile):
            notes.reasons.append(_about(file.path, file.reason))
            return
        digest = pool.submit(_digest, file.descriptor)
        bystander = is_bystander(file.path, file.descriptor, file.identity[2])
        limits = replace(self._limits, wall=min(self._limits.wall, task.timeout))
        scan = scan_open_in_child(file.descriptor, limits, bystander=bystander)
        notes.digests.append((file.path, digest.result()))
        notes.size += scan.size
        if identify(file.descriptor) != file.identity:
            notes.reasons.append(_about(file.path, "the file changed while it was judged"))
        if scan.unjudged is not None:
            notes.reasons.append(_about(file.path, scan.unjudged))
        notes.findings += [_finding(task, file.path, one) for one in scan.findings]
        if bystander and not scan.findings:
            notes.skipped += 1
        elif scan.findings or scan.unjudged is None:
            notes.formats.add(scan.format.value)
            notes.judged[file.path] = file

    def _find_pickles(self, out: Path) -> tuple[str, ...]:
        """Return the files in which a pickle can be: where picklescan has something to say."""
        files = (one for one in open_files(out, self._most_files) if isinstance(one, OutFile))
        return tuple(file.path for file in files if _may_hold_pickle(file))


def _may_hold_pickle(file: OutFile) -> bool:
    """Say whether a file is of a format that is, or holds, or packs pickles."""
    try:
        return recognise(Stored(file.descriptor, 0, file.identity[2])) not in _NO_PICKLES
    except UnjudgedError:
        return False


def _ask_picklescan(task: Task, paths: tuple[str, ...]) -> Mapping[str, Opinion] | str:
    """Return what picklescan says of files, or why it says nothing."""
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
    """Start picklescan on some files.

    Raises:
        GateError: it did not answer.
    """
    out = task.out or task.directory
    files = [str(out / path) if path else str(out) for path in paths]
    arguments = (sys.executable, "-I", "-c", _START, str(_PACKAGE.parents[1]), *files)
    environment = {**task.environment, "OPENBLAS_NUM_THREADS": "1"}
    limits = (task.timeout, task.denied, 4 * MEBI, 2048 * MEBI)
    ended = run_tool(ToolCommand(arguments, task.scratch, environment, *limits))
    if ended.exit_code != 0:
        raise GateError(f"exit code {ended.exit_code}", "install ml-assets again")
    try:
        return parse_opinions(ended.output, len(paths))
    except ValueError as error:
        raise GateError(f"unreadable answer: {error}", "install ml-assets again") from error


def _compare(task: Task, opinions: Mapping[str, Opinion] | str, notes: _Notes) -> None:
    """Add what picklescan calls dangerous, and see that it has read what we have."""
    if isinstance(opinions, str):
        notes.reasons.append(f"no second opinion: {opinions}")
        return
    for path, opinion in opinions.items():
        notes.findings += [_second_finding(task, path, name) for name in opinion.dangerous]
        file = notes.judged.get(path)
        if file is not None and opinion.identity != file.identity:
            notes.reasons.append(_about(path, "picklescan has read another file, or none"))


def _finding(task: Task, path: str, found: scans.Finding) -> Finding:
    """Turn the reader's finding into one of ours."""
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
        f"picklescan calls an import of it dangerous: {shown}",
        Severity.HIGH,
        path=_project_path(task, path),
    )


def _project_path(task: Task, path: str) -> str:
    return printable(f"{task.subject}/{path}" if path else task.subject, 4096)


def _report(notes: _Notes) -> Report:
    """Sum up."""
    facts: dict[str, str | int | float] = {
        "formats": ", ".join(sorted(notes.formats)),
        "bytes": notes.size,
        "files": len(notes.digests),
        "skipped": notes.skipped,
    }
    if [path for path, _ in notes.digests] == [""]:
        facts["sha256"] = notes.digests[0][1]
    elif notes.digests:
        facts["sha256"] = digest_tree(notes.digests)
    if not notes.judged and not notes.reasons:
        notes.reasons.append("no model file in it")
    return Report(tuple(notes.findings), len(notes.judged), _join(notes.reasons), facts)


def _join(reasons: list[str]) -> str | None:
    """Tell the first reasons and how many more there are."""
    more = len(reasons) - _MOST_REASONS
    told = reasons[:_MOST_REASONS] + ([f"{more} more"] if more > 0 else [])
    return "; ".join(told) or None


def _about(path: str, reason: str) -> str:
    return f"{printable(path)}: {reason}" if path else reason


def _digest(descriptor: int) -> str:
    """Return the sha256 of an open file, read by position."""
    sha256, offset = hashlib.sha256(), 0
    while chunk := os.pread(descriptor, _CHUNK, offset):
        sha256.update(chunk)
        offset += len(chunk)
    return sha256.hexdigest()


@contextmanager
def _alarm(seconds: float) -> Iterator[threading.Event]:
    """Set an event after some time."""
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
    """Return the digest of the reader's source text: a rule that changes makes it another tool."""
    sources = sorted(_PACKAGE.rglob("*.py"))
    return digest_tree(
        (one.relative_to(_PACKAGE).as_posix(), hashlib.sha256(one.read_bytes()).hexdigest())
        for one in sources
    )
