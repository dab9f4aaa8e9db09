"""The scan of pickles and joblib files, in every way that loaders read them.

`pickle.load` and `joblib.load` read the same bytes differently: `pickle.load` executes the bytes of
an array as operations. A file is clean only if both readings are harmless.
"""

from __future__ import annotations

from security.model_scan.byte_stream import ByteContent, ByteStream, TruncatedError
from security.model_scan.examination import Examination
from security.model_scan.limits import ScanLimits
from security.model_scan.pickle.joblib_arrays import skip_array
from security.model_scan.pickle.pickle_machine import NAMING, Machine, MalformedError, Report
from security.model_scan.pickle.pickle_operations import read_pickle
from security.model_scan.pickle.pickle_values import Identities, Persistent, Value
from security.model_scan.report import Format, ScanLocation, ScanSeverity, UnscannedError

#: Findings about an allowed name, which is their subject.
_HARMFUL = ("pickle-call", "pickle-build")


def judge_pickle(examination: Examination, content: ByteContent, where: ScanLocation) -> Format:
    """Scan a file that starts with a pickle.

    1. Read it like `pickle.load`. Without an array wrapper this is the only reading.
    2. After a wrapper, the plain reading normally stops at the bytes of the array; its findings up
       to there count. Read the file again, like `joblib.load`.
    3. Report bytes after the end: a loader that is called again executes a second pickle.

    Raises:
        UnscannedError: the machine cannot follow the pickle to its end.
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
    """Scan one pickle in the middle of other content, as a plain loader reads it."""
    machine = _machine(examination, stream, where)
    _read(machine, where)
    _refuse_wrapper(machine)


def read_storages(
    examination: Examination, stream: ByteStream, where: ScanLocation
) -> tuple[Value, list[Persistent]]:
    """Scan one pickle of PyTorch; return its value and the storages that it refers to."""
    machine = _machine(examination, stream, where)
    machine.identities = Identities.STORAGES
    made = _read(machine, where)
    _refuse_wrapper(machine)
    return made, machine.storages


def has_header(content: ByteContent) -> bool:
    """Say whether content starts with the header of a pickle of protocol 2 or later."""
    head = content.open().peek(2)
    return head[:1] == b"\x80" and 2 <= head[-1] <= 5


def reads_as_pickle(content: ByteContent, limits: ScanLimits) -> bool:
    """Say whether content without a pickle's header is a pickle, or may be one."""
    machine = Machine(content.open(), limits, lambda *found: None, Identities.STORAGES)
    try:
        read_pickle(machine)
    except (MalformedError, TruncatedError):
        return machine.acted or bool(machine.storages)
    except UnscannedError:
        return True
    return True


def acts_as_pickle(content: ByteContent, limits: ScanLimits) -> bool:
    """Say whether ``judge_accident`` would report content, or may do so."""
    try:
        return bool(_read_accident(content, limits, ScanLocation()))
    except UnscannedError:
        return True


def judge_accident(examination: Examination, content: ByteContent, where: ScanLocation) -> None:
    """Scan content of another format as a pickle; most readings stop at once.

    Raises:
        UnscannedError: the content reads as a pickle beyond a limit, so the scan is inconclusive.
    """
    for rule, severity, message, offset, subject in _read_accident(
        content, examination.limits, where
    ):
        remark = f"{message} in a file that is not a pickle"
        examination.find(rule, severity, remark, where.at(offset), subject)


def _read_accident(
    content: ByteContent, limits: ScanLimits, where: ScanLocation
) -> list[tuple[str, ScanSeverity, str, int, str]]:
    """Return the findings of a reading that both imports a name and acts.

    Texts and tables often import a name and stop. No code runs without a name: one that is not
    allowed, or an allowed one with arguments or a state that are harmful.
    """
    found: list[tuple[str, ScanSeverity, str, int, str]] = []
    machine = Machine(content.open(), limits, lambda *one: found.append(one), Identities.MALFORMED)
    try:
        _read(machine, where)
    except (MalformedError, TruncatedError):
        pass
    except UnscannedError as error:
        error.capable = True
        raise
    _refuse_wrapper(machine)
    named = any(one[0] in NAMING or (one[0] in _HARMFUL and one[-1]) for one in found)
    return found if machine.acted and named else []


def _refuse_wrapper(machine: Machine) -> None:
    """Refuse an array wrapper of joblib in content that only a plain loader reads.

    After a wrapper the machine follows the plain reading less strictly, because `judge_pickle` also
    scans joblib's reading; this content has no such second scan.
    """
    if machine.wrapped:
        raise UnscannedError(
            "array wrapper of joblib in a file that joblib does not write", capable=True
        )


def check_end(examination: Examination, stream: ByteStream, where: ScanLocation) -> None:
    """Report bytes after the end of the content."""
    if not stream.at_end():
        message = "extra bytes after the end of the content, which a repeated load reads"
        examination.find("trailing-bytes", ScanSeverity.MEDIUM, message, where.at(stream.position))


def _machine(examination: Examination, stream: ByteStream, where: ScanLocation) -> Machine:
    """Return a machine that reports its findings to an examination."""

    def report(rule: str, severity: ScanSeverity, message: str, offset: int, subject: str) -> None:
        examination.find(rule, severity, message, where.at(offset), subject)

    take: Report = report
    return Machine(stream, examination.limits, take, start=stream.position)


def _read(machine: Machine, where: ScanLocation) -> Value:
    """Read one pickle; add the location to an error."""
    try:
        return read_pickle(machine)
    except UnscannedError as error:
        error.location = error.location or where.at(machine.stream.position)
        raise
