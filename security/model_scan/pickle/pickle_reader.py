"""Judging pickles, joblib's files among them, by every way in which they can be read.

The same bytes are read differently by `pickle.load` and `joblib.load`: to one of them an array is a
run of operations. A file passes when both readings are harmless.
"""

from __future__ import annotations

from security.model_scan.byte_stream import ByteContent, ByteStream, TruncatedError
from security.model_scan.examination import Examination
from security.model_scan.pickle.joblib_arrays import skip_array
from security.model_scan.pickle.pickle_machine import Identities, Machine, MalformedError, Report
from security.model_scan.pickle.pickle_operations import read_pickle
from security.model_scan.pickle.pickle_values import Persistent, Value
from security.model_scan.report import Format, ScanLocation, ScanSeverity, UnscannedError


def judge_pickle(examination: Examination, content: ByteContent, where: ScanLocation) -> Format:
    """Judge a file that starts with a pickle.

    1. Read as `pickle.load` would. Where no array's wrapper was met, this is the only reading.
    2. Where one was met, the plain reading normally ends at the array's bytes; what it named up to
       there counts. Read again, as `joblib.load` would.
    3. Nothing may follow: a second pickle is executed by whoever calls the loader again.

    Raises:
        UnscannedError: the pickle cannot be followed to its end.
    """
    plain = _machine(examination, content.open(), where)  # 1
    try:
        _read(plain, where)
    except (MalformedError, TruncatedError):
        if not plain.wrapped:
            raise
    if not plain.wrapped:
        check_end(examination, plain.stream, where)
        return Format.PICKLE
    arrays = _machine(examination, content.open(), where)  # 2
    arrays.read_array = skip_array
    _read(arrays, where)
    check_end(examination, arrays.stream, where)  # 3
    return Format.JOBLIB


def judge_stream(examination: Examination, stream: ByteStream, where: ScanLocation) -> None:
    """Judge one pickle in the middle of other content, which a plain loader reads."""
    machine = _machine(examination, stream, where)
    _read(machine, where)
    _refuse_wrapper(machine)


def read_storages(
    examination: Examination, stream: ByteStream, where: ScanLocation
) -> tuple[Value, list[Persistent]]:
    """Judge one pickle of PyTorch's; return what it makes and the storages that it asks for."""
    machine = _machine(examination, stream, where)
    machine.identities = Identities.STORAGES
    made = _read(machine, where)
    _refuse_wrapper(machine)
    return made, machine.storages


def judge_accident(examination: Examination, content: ByteContent, where: ScanLocation) -> None:
    """Judge how content that is not a pickle reads as one; most of it stops at once.

    Raises:
        UnscannedError: it reads as a pickle for so long that nothing can be said.
    """
    machine = _machine(examination, content.open(), where, " in a file that is not a pickle")
    machine.identities = Identities.MALFORMED
    try:
        _read(machine, where)
    except (MalformedError, TruncatedError):
        pass
    _refuse_wrapper(machine)


def _refuse_wrapper(machine: Machine) -> None:
    """Refuse a wrapper of joblib's where only the plain loader reads.

    Behind a wrapper the plain reading is followed less strictly, because joblib's own is judged as
    well; here there is no other.
    """
    if machine.wrapped:
        raise UnscannedError("a wrapper of joblib's in a file that joblib does not write")


def check_end(examination: Examination, stream: ByteStream, where: ScanLocation) -> None:
    """See that nothing follows."""
    if not stream.at_end():
        message = "bytes follow the end of the content; a loader called again reads them"
        examination.find("trailing-bytes", ScanSeverity.MEDIUM, message, where.at(stream.position))


def _machine(
    examination: Examination, stream: ByteStream, where: ScanLocation, remark: str = ""
) -> Machine:
    """Return a machine that reports to an examination."""

    def report(rule: str, severity: ScanSeverity, message: str, offset: int, subject: str) -> None:
        examination.find(rule, severity, message + remark, where.at(offset), subject)

    take: Report = report
    return Machine(stream, examination.limits, take, start=stream.position)


def _read(machine: Machine, where: ScanLocation) -> Value:
    """Read one pickle and say where it could not be followed."""
    try:
        return read_pickle(machine)
    except UnscannedError as error:
        error.location = error.location or where.at(machine.stream.position)
        raise
