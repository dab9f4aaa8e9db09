"""The gate ``data``: recorded hashes and declared expectations of datasets.

1. The hash that DVC has recorded for an out must equal its current hash; the caller provides both.
2. The expectations of the settings about columns, rows and files must hold. A process of its own
   checks them (``security/gates/data/reader``).

A dataset without expectations is checked by its hash only. A dataset without expectations and
without a recorded hash is an error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from sys import executable

from security.content.out_files import Identity, OutFile, identify, is_behind_link, open_files
from security.content.printable import printable
from security.finding import Finding, Severity
from security.gates.context import GateContext, Hashes
from security.gates.data import reader
from security.gates.data.expectations import (
    DataExpectations,
    TableExpectations,
    parse_expectations,
)
from security.gates.data.reader.reading import Failure, Reading, parse_reading
from security.gates.interface import GateError, Json, Kind, Place, Report, Task, Tool
from security.gates.tool.out_bytes import (
    digest_descriptor,
    digest_fact,
    linked_out,
    unreadable_out,
)
from security.gates.tool.own_tools import own_version
from security.gates.tool.tool_process import REINSTALL, ToolCommand, run_tool
from security.sandbox.worker import read_answer, start_code

_PACKAGE = Path(reader.__file__).parent
_ROOT = _PACKAGE.parents[3]
_START = start_code("security.gates.data.reader.child")
_TOOLS = ("pandas", "pandera", "pyarrow")
# Their threads take address space, which is limited, and processors, which gates share.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_ONE_THREAD = {**dict.fromkeys(_THREADS, "1"), "ARROW_DEFAULT_MEMORY_POOL": "system"}
_MOST_OUTPUT = 32 << 20
_MOST_FILES = 10_000


@dataclass(slots=True)
class _Progress:
    """The report while the checks run."""

    count: int = 0
    findings: list[Finding] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    facts: dict[str, str | int | float] = field(default_factory=dict)


class DataGate:
    """Check the recorded hash and the expectations of a dataset.

    Args:
        expectations: expectations of all datasets of the project.
        hashes: by location.
        memory: address space of the reader process, in bytes.
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

    @classmethod
    def from_context(cls, context: GateContext) -> DataGate:
        """Build the gate from the settings' expectations and the hashes of outs.

        Raises:
            ExpectationError: an expectation is wrong.
        """
        expectations = parse_expectations(context.settings(dict), "tool.ml-assets.gates.data")
        return cls(expectations, context.project.hashes)

    def reads(self, path: str) -> bool:
        """Read no file of the source tree."""
        return False

    def configures(self, path: str) -> bool:
        """Take no configuration from the source tree."""
        return False

    def tool(self, task: Task) -> Tool:
        """Return the reader's libraries, with the expectations and the recorded hash of the out.

        Raises:
            GateError: a library is missing, or several expectations match the out.
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
        """Check one out.

        Raises:
            GateError: nothing is recorded or expected of the out, or the reader failed.
        """
        table = self._expectations.of(task.subject)
        hashes = self._hashes.get(task.subject, Hashes())
        if table is None and hashes.recorded is None:
            hint = f"declare expectations: [tool.ml-assets.gates.data.'{task.subject}']"
            raise GateError(f"no hash and no expectations: {printable(task.subject)}", hint)
        progress = _Progress(facts={"expectations": 0})
        _compare_hashes(task.subject, hashes, progress)
        if table is not None:
            try:
                _check_tables(task, table, self._memory, progress)
            except GateError as error:
                if not progress.findings:  # a finding outranks the error
                    raise
                progress.reasons.append(error.message)
        unjudged = "; ".join(progress.reasons) or None
        return Report(tuple(progress.findings), progress.count, unjudged, progress.facts)


def _compare_hashes(subject: str, hashes: Hashes, progress: _Progress) -> None:
    """Compare the recorded hash with that of the current bytes."""
    if hashes.recorded is None:
        return
    if hashes.observed is None:
        progress.reasons.append("hash not computed")
        return
    progress.count += 1
    if hashes.observed != hashes.recorded:
        shown = printable(f"{hashes.observed}, recorded: {hashes.recorded}")
        message = f"hash differs from the recorded one: {shown}"
        path = printable(subject, 4096)
        progress.findings.append(Finding("recorded-hash", message, Severity.CRITICAL, path=path))


def _check_tables(task: Task, table: TableExpectations, memory: int, progress: _Progress) -> None:
    """Check an out with the reader, and digest the same files.

    1. Refuse an out behind a symbolic link.
    2. Run the reader on all files, and digest them meanwhile.
    3. Check that both have read the same files, and that no file has changed.

    Raises:
        GateError: the out is missing, or the reader failed.
    """
    if task.out is None:
        raise GateError("no dataset to check", "name the out of a dataset")
    if is_behind_link(task.out, task.directory):  # 1
        raise linked_out(task)
    with ThreadPoolExecutor(1) as pool:
        digested = pool.submit(_digest_files, task.out)
        reading = _run_reader(task, table, memory)  # 2
        try:
            seen = digested.result()
        except OSError as error:
            raise unreadable_out(task, error) from error
    progress.reasons += [printable(reason, 400) for reason in reading.unjudged]
    if dict(reading.files) != {path: identity for path, identity, _ in seen}:  # 3
        progress.reasons.append("files changed during the check")
    progress.findings += [_finding(task.subject, one) for one in reading.failures]
    progress.count += reading.rows or (0 if reading.unjudged else len(reading.files))
    progress.facts.update(_facts(reading, [(path, sha256) for path, _, sha256 in seen]))


def _run_reader(task: Task, table: TableExpectations, memory: int) -> Reading:
    """Run the reader.

    Raises:
        GateError: the reader failed, or its output is unreadable.
    """
    request = {
        "out": str(task.out),
        "expected": table.to_json(),
        "memory": memory,
        "cpu": max(1, int(task.timeout)),
        "most_files": _MOST_FILES,
    }
    request_file = task.scratch / "data-request.json"
    request_file.write_text(json.dumps(request, ensure_ascii=True), "ascii")
    arguments = (executable, "-I", "-c", _START, str(_ROOT), str(request_file))
    # Environment variables of pandera can switch its checks off.
    kept = {name: one for name, one in task.environment.items() if not name.startswith("PANDERA")}
    environment = {**kept, **_ONE_THREAD}
    limits = (task.timeout, task.view, _MOST_OUTPUT)
    ended = run_tool(ToolCommand(arguments, task.scratch, environment, *limits))
    if ended.exit_code != 0:
        # Only the type of the error, because its message can quote the data.
        kind = printable((ended.errors.strip().splitlines() or [""])[-1].partition(":")[0])
        raise GateError(f"data reader failed, exit code {ended.exit_code}: {kind}", REINSTALL)
    try:
        return parse_reading(read_answer(ended.output))
    except ValueError as error:
        raise GateError(f"unreadable output of the data reader: {error}", REINSTALL) from error


def _digest_files(out: Path) -> list[tuple[str, Identity, str]]:
    """Return path, identity and sha256 of the files of an out."""
    found = []
    for file in open_files(out, _MOST_FILES):
        if isinstance(file, OutFile):
            found.append((file.path, *_digest(file)))
    return found


def _digest(file: OutFile) -> tuple[Identity, str]:
    """Return the sha256 of a file, and its identity after the last byte was read."""
    sha256 = digest_descriptor(file.descriptor)
    return identify(file.descriptor), sha256


def _finding(subject: str, failure: Failure) -> Finding:
    """Describe a failure; the values are only in it if the settings show them."""
    column = printable(failure.column)
    place = f"column {column}" if failure.column else "the table"
    more = ", …" if failure.count > len(failure.rows) else ""
    rows = f" (rows {', '.join(map(str, failure.rows))}{more})" if failure.rows else ""
    message = f"{failure.check} fails for {place}: {failure.count}"
    detail = f": {failure.detail}" if failure.detail else ""
    return Finding(
        f"{failure.check}:{column}" if column else failure.check,
        message + rows + detail,
        Severity.HIGH,
        path=printable(f"{subject}/{failure.path}" if failure.path else subject, 4096),
    )


def _facts(reading: Reading, digests: Sequence[tuple[str, str]]) -> dict[str, str | int | float]:
    """Return numbers and the digest of the out."""
    facts: dict[str, str | int | float] = {
        "expectations": reading.checks,
        "files": len(reading.files),
        "rows": reading.rows,
        "columns": reading.columns,
    }
    return {**facts, **digest_fact(digests)}
