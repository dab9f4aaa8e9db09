"""The reader's process: reads an out within its limits, checks it, and prints one line."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from security.content.out_files import Identity, OutFile, RefusedFile, identify, open_files
from security.content.printable import printable
from security.gates.data.reader.expectation import Expected, read_expected
from security.gates.data.reader.reading import Failure, Reading, format_reading
from security.sandbox.worker import read_request, restrict, write_answer

_MOST_FAILURES = 1000
_MOST_REASONS = 20
# Parts of pyarrow's messages that do not quote data.
_SAFE = re.compile(r"(?:Row #\d+: )?Expected \d+ columns, got \d+|straddling object")


@dataclass(slots=True)
class _Notes:
    """The reading while files are checked."""

    files: list[tuple[str, Identity]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    unjudged: list[str] = field(default_factory=list)
    rows: int = 0
    columns: int = 0

    def refuse(self, path: str, reason: str) -> None:
        """Note why a file, or the out, could not be checked."""
        self.unjudged.append(f"{printable(path)}: {reason}" if path else reason)


def answer(arguments: Sequence[str]) -> None:
    """Run the reader process.

    Args:
        arguments: the request file, which the gate has written.
    """
    request = read_request(arguments[0])
    restrict(request["memory"], request["cpu"])
    warnings.simplefilter("ignore")
    expected = read_expected(request["expected"])
    reading = read_out(Path(request["out"]), expected, request["most_files"])
    write_answer(format_reading(reading))


def read_out(out: Path, expected: Expected, most_files: int) -> Reading:
    """Read and check all files of an out."""
    notes = _Notes()
    _check_kind(out, expected, notes)
    for file in open_files(out, most_files):
        if isinstance(file, RefusedFile):
            notes.refuse(file.path, file.reason)
            continue
        _read_file(out, file, expected, notes)
        if identify(file.descriptor) != file.identity:
            notes.refuse(file.path, "the file changed while it was read")
        notes.files.append((file.path, file.identity))
    _check_number(expected, notes)
    _shorten(notes)
    checks = _count_checks(expected)
    failures, unjudged = tuple(notes.failures), tuple(notes.unjudged)
    return Reading(tuple(notes.files), notes.rows, notes.columns, checks, failures, unjudged)


def _check_kind(out: Path, expected: Expected, notes: _Notes) -> None:
    """Check that the out is a directory if number or names of files are declared."""
    if (expected.files is not None or expected.suffixes) and out.is_file():
        notes.failures.append(Failure("", "", "kind", 1, detail="a file, not a directory"))


def _check_number(expected: Expected, notes: _Notes) -> None:
    """Check the number of files."""
    least, most = expected.files or (None, None)
    count = len(notes.files)
    if (least is not None and count < least) or (most is not None and count > most):
        detail = f"{count} files, not from {least or 0} to {'any' if most is None else most}"
        notes.failures.append(Failure("", "", "files", count, detail=detail))


def _read_file(out: Path, file: OutFile, expected: Expected, notes: _Notes) -> None:
    """Read and check one file; an error becomes a reason."""
    name = file.path or out.name
    if expected.suffixes and not name.endswith(expected.suffixes):
        detail = f"not one of {', '.join(expected.suffixes)}"
        notes.failures.append(Failure(file.path, "", "suffix", 1, detail=detail))
        return
    if not expected.of_tables:
        return
    try:
        _check_table(name, file, expected, notes)
    except MemoryError:
        notes.refuse(file.path, "reading it takes more memory than the limit")
    except Exception as error:  # any reader error: the file counts as not checked
        notes.refuse(file.path, f"cannot be read: {_explain(error, expected)}")


def _check_table(name: str, file: OutFile, expected: Expected, notes: _Notes) -> None:
    """Check one table to its end.

    1. Read the table to its end or to a damaged place; failures found up to there count.
    2. The number of rows must equal the number in its footer.
    3. A table without rows shows nothing about its columns: refuse it unless its expectations
       allow no rows.
    """
    # Imported here, because checks of file names alone do not need pandas and pandera.
    from security.gates.data.reader.checks import TableChecks
    from security.gates.data.reader.tables import UnreadableError, open_table

    types: dict[str, str | None] = dict.fromkeys(expected.needed)
    types.update({name: column.dtype for name, column in expected.columns.items()})
    table = open_table(name, file.descriptor, expected.format, types)
    checks = TableChecks(file.path, table, expected)
    try:
        for batch in table.batches:  # 1
            checks.add(batch)
        if table.rows is not None and table.rows != checks.rows:  # 2
            raise UnreadableError(f"{checks.rows} rows, and its footer says {table.rows}")
        if not checks.rows and expected.rows[0] != 0:  # 3
            raise UnreadableError("no rows")
    finally:
        notes.failures += checks.finish()
        notes.rows += checks.rows
        notes.columns = max(notes.columns, len(table.names))


def _count_checks(expected: Expected) -> int:
    """Return the number of declared checks."""
    count = len(expected.unique) + expected.strict + len(expected.columns)
    for column in expected.columns.values():
        limits = (column.least, column.most, column.values, column.regex)
        count += sum(limit is not None for limit in limits)
        count += column.unique + (column.length != (None, None))
    ranges = (expected.rows, expected.files or (None, None))
    return count + sum(one != (None, None) for one in ranges) + bool(expected.suffixes)


def _shorten(notes: _Notes) -> None:
    """Limit the report to one line of JSON, and count the rest."""
    if len(notes.failures) > _MOST_FAILURES:
        notes.unjudged.insert(0, f"{len(notes.failures) - _MOST_FAILURES} more findings omitted")
        del notes.failures[_MOST_FAILURES:]
    more = len(notes.unjudged) - _MOST_REASONS
    if more > 0:
        notes.unjudged[_MOST_REASONS:] = [f"{more} more"]


def _explain(error: Exception, expected: Expected) -> str:
    """Describe an error without quoting data, unless the settings show values."""
    text = str(error)
    if expected.show_values or type(error).__name__ == "UnreadableError":
        return printable(text, 300)
    found = _SAFE.search(text)
    return f"{type(error).__name__}: {found.group()}" if found else type(error).__name__
