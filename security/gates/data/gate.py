"""Datasets: whether their bytes are the recorded ones, and their tables what is expected of them.

Two things are judged. The hash that DVC has recorded of an out has to be the one that it has now;
both are given. And what the settings expect of its columns, rows and files has to hold, judged by
a process of its own (``security/gates/data_reader``). A dataset of which nothing is expected is
judged by its hash alone; with no recorded hash either there is nothing to judge it by.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from sys import executable

from security.content.digest import digest_tree
from security.content.out_files import Identity, OutFile, identify, is_behind_link, open_files
from security.content.printable import printable
from security.finding import Finding, Severity
from security.gates.data import reader
from security.gates.data.expectations import DataExpectations, TableExpectations
from security.gates.data.reader.reading import Failure, Reading, parse_reading
from security.gates.interface import GateError, Json, Kind, Place, Report, Task, Tool
from security.gates.tool.own_tools import own_version
from security.gates.tool.tool_process import ToolCommand, run_tool

_PACKAGE = Path(reader.__file__).parent
_ROOT = _PACKAGE.parents[3]
_START = (
    "import sys; sys.path.append(sys.argv[1]);"
    " from security.gates.data.reader.child import answer; answer(sys.argv[2:])"
)
_TOOLS = ("pandas", "pandera", "pyarrow")
# Threads of these take address space, which is limited, and processors, which gates share.
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_ALONE = {**dict.fromkeys(_ONE_THREAD, "1"), "ARROW_DEFAULT_MEMORY_POOL": "system"}
_MOST_OUTPUT = 32 << 20
_MOST_FILES = 10_000
_CHUNK = 1 << 20
_HINT = "install ml-assets again, with all that it needs"


@dataclass(frozen=True, slots=True)
class Hashes:
    """The hashes of an out, as DVC writes them: md5, of a directory with ``.dir`` at its end.

    Attributes:
        recorded: in its stage or lock file; None where there is none.
        observed: of the bytes that it has now; None where nobody has computed it.
    """

    recorded: str | None = None
    observed: str | None = None


@dataclass(slots=True)
class _Judged:
    """What has been found so far."""

    count: int = 0
    findings: list[Finding] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    facts: dict[str, str | int | float] = field(default_factory=dict)


class DataGate:
    """Recorded hashes and declared expectations.

    Args:
        expectations: of all datasets of the project.
        hashes: by location.
        memory: address space of the reader's process, in bytes.
    """

    name = "data"
    kind = Kind.DATA
    place = Place.CHECKOUT

    def __init__(
        self,
        expectations: DataExpectations | None = None,
        hashes: Mapping[str, Hashes] | None = None,
        memory: int = 4 << 30,
    ) -> None:
        self._expectations = expectations or DataExpectations()
        self._hashes = hashes or {}
        self._memory = memory

    def reads(self, path: str) -> bool:
        """Read no file of the source tree."""
        return False

    def configures(self, path: str) -> bool:
        """Take no configuration from the source tree."""
        return False

    def tool(self, task: Task) -> Tool:
        """Name the readers, with what is expected of this out and which hash is recorded.

        Raises:
            GateError: one is missing, or it is not clear what is expected.
        """
        table = self._expectations.of(task.subject)
        hashes = self._hashes.get(task.subject, Hashes())
        configuration: dict[str, Json] = {"recorded": hashes.recorded, "memory": self._memory}
        version = "hash"
        if table is not None:
            configuration["expectations"] = table.to_json()
            version = ", ".join(f"{name} {own_version(name)}" for name in _TOOLS)
        return Tool(self.name, version, configuration)

    def judge(self, task: Task) -> Report:
        """Judge one out.

        Raises:
            GateError: there is nothing to judge it by, or its reader did not answer.
        """
        table = self._expectations.of(task.subject)
        hashes = self._hashes.get(task.subject, Hashes())
        if table is None and hashes.recorded is None:
            hint = f"declare what is expected of it: [tool.ml-assets.gates.data.'{task.subject}']"
            raise GateError(f"nothing to judge it by: {printable(task.subject)}", hint)
        judged = _Judged(facts={"expectations": 0})
        _compare_hashes(task.subject, hashes, judged)
        if table is not None:
            try:
                _judge_tables(task, table, self._memory, judged)
            except GateError as error:
                if not judged.findings:  # what was found stays found
                    raise
                judged.reasons.append(error.message)
        unjudged = "; ".join(judged.reasons) or None
        return Report(tuple(judged.findings), judged.count, unjudged, judged.facts)


def _compare_hashes(subject: str, hashes: Hashes, judged: _Judged) -> None:
    """See that the bytes are the recorded ones."""
    if hashes.recorded is None:
        return
    if hashes.observed is None:
        judged.reasons.append("its hash was not computed")
        return
    judged.count += 1
    if hashes.observed != hashes.recorded:
        shown = printable(f"{hashes.observed}, recorded: {hashes.recorded}")
        message = f"its bytes are not the recorded ones: {shown}"
        path = printable(subject, 4096)
        judged.findings.append(Finding("recorded-hash", message, Severity.CRITICAL, path=path))


def _judge_tables(task: Task, table: TableExpectations, memory: int, judged: _Judged) -> None:
    """Let the reader judge an out, and digest the very files that it reads.

    1. What lies behind a link is not the out.
    2. The reader answers for all files, while they are digested here.
    3. Both have seen the same files, and these have not changed.

    Raises:
        GateError: there is no out, or the reader did not answer.
    """
    if task.out is None:
        raise GateError("no dataset was given", "name the out to judge")
    if is_behind_link(task.out, task.directory):  # 1
        raise GateError(f"behind a symbolic link: {printable(task.subject)}", "remove the link")
    with ThreadPoolExecutor(1) as pool:
        digested = pool.submit(_digest_files, task.out)
        reading = _read(task, table, memory)  # 2
        try:
            seen = digested.result()
        except OSError as error:
            what = (error.strerror or type(error).__name__).lower()
            raise GateError(f"cannot be read: {what}", "look at the out") from error
    judged.reasons += [printable(reason, 400) for reason in reading.unjudged]
    if dict(reading.files) != {path: identity for path, identity, _ in seen}:  # 3
        judged.reasons.append("files changed while they were judged")
    judged.findings += [_finding(task.subject, one) for one in reading.failures]
    judged.count += reading.rows or (0 if reading.unjudged else len(reading.files))
    judged.facts.update(_facts(reading, [(path, sha256) for path, _, sha256 in seen]))


def _read(task: Task, table: TableExpectations, memory: int) -> Reading:
    """Start the reader.

    Raises:
        GateError: it did not answer.
    """
    request = {
        "out": str(task.out),
        "expected": table.to_json(),
        "memory": memory,
        "cpu": max(1, int(task.timeout)),
        "most_files": _MOST_FILES,
    }
    asked = task.scratch / "data-request.json"
    asked.write_text(json.dumps(request, ensure_ascii=True), "ascii")
    arguments = (executable, "-I", "-c", _START, str(_ROOT), str(asked))
    # pandera can be told by its variables to check nothing.
    given = {name: one for name, one in task.environment.items() if not name.startswith("PANDERA")}
    environment = {**given, **_ALONE}
    limits = (task.timeout, task.denied, _MOST_OUTPUT)
    ended = run_tool(ToolCommand(arguments, task.scratch, environment, *limits))
    if ended.exit_code != 0:
        # The kind of the error alone: its message can quote the data.
        kind = printable((ended.errors.strip().splitlines() or [""])[-1].partition(":")[0])
        raise GateError(f"the reader ended with exit code {ended.exit_code} {kind}", _HINT)
    text = ended.output.decode("ascii", "replace")
    try:
        if text.count("\n") != 1 or not text.endswith("\n"):
            raise ValueError("not one line")
        return parse_reading(text[:-1])
    except ValueError as error:
        raise GateError(f"the reader's answer cannot be read: {error}", _HINT) from error


def _digest_files(out: Path) -> list[tuple[str, Identity, str]]:
    """Return path, identity and sha256 of the files of an out."""
    found = []
    for file in open_files(out, _MOST_FILES):
        if isinstance(file, OutFile):
            found.append((file.path, *_digest(file)))
    return found


def _digest(file: OutFile) -> tuple[Identity, str]:
    """Return what a file was when its last byte had been digested, and its sha256."""
    sha256, offset = hashlib.sha256(), 0
    while chunk := os.pread(file.descriptor, _CHUNK, offset):
        sha256.update(chunk)
        offset += len(chunk)
    return identify(file.descriptor), sha256.hexdigest()


def _finding(subject: str, failure: Failure) -> Finding:
    """Say what does not hold, without the values unless the reader was told to give them."""
    column = printable(failure.column)
    place = f"column {column}" if failure.column else "the table"
    more = ", …" if failure.count > len(failure.rows) else ""
    rows = f" (rows {', '.join(map(str, failure.rows))}{more})" if failure.rows else ""
    message = f"{failure.check} does not hold for {place}: {failure.count}"
    detail = f": {failure.detail}" if failure.detail else ""
    return Finding(
        f"{failure.check}:{column}" if column else failure.check,
        message + rows + detail,
        Severity.HIGH,
        path=printable(f"{subject}/{failure.path}" if failure.path else subject, 4096),
    )


def _facts(reading: Reading, digests: Iterable[tuple[str, str]]) -> dict[str, str | int | float]:
    """Return what may be shown or compared."""
    listed = list(digests)
    facts: dict[str, str | int | float] = {
        "expectations": reading.checks,
        "files": len(reading.files),
        "rows": reading.rows,
        "columns": reading.columns,
    }
    if [path for path, _ in listed] == [""]:
        facts["sha256"] = listed[0][1]
    elif listed:
        facts["sha256"] = digest_tree(listed)
    return facts
