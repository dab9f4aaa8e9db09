"""Judging a model file in a process of its own, which can be neither large nor long nor write.

The file is opened here and handed over as a descriptor, so that the child judges exactly this one.
It answers with one line of JSON; no answer, half an answer or another one means: not judged.
"""

from __future__ import annotations

import codecs
import os
import subprocess
import sys
import threading
from pathlib import Path

from security.model_scan.limits import ScanLimits
from security.model_scan.report import Format, Scan, UnscannedError, format_scan, parse_scan
from security.model_scan.scan import open_model, scan_bystander, scan_descriptor
from security.sandbox.worker import read_answer, restrict, start_code, write_answer

_LONGEST_ANSWER = 4 << 20
_CODECS = ("ascii", "latin-1", "raw_unicode_escape", "unicode_escape", "utf-8")
_ROOT = Path(__file__).resolve().parents[2]
# `-I` keeps the current directory and PYTHON* variables out, `-S` everything installed: the child
# runs on the standard library and this package alone, found after it.
_START = start_code("security.model_scan.child")


def scan_in_child(path: Path | str, limits: ScanLimits | None = None) -> Scan:
    """Judge the file at a path in a process with limits on memory, processor time and wall time.

    Returns:
        What the child found; unjudged when it did not answer properly, for whatever reason.
    """
    limits = limits or ScanLimits()
    try:
        descriptor = open_model(path)
    except UnscannedError as error:
        return Scan(Format.UNKNOWN, (), str(error), 0)
    try:
        return scan_open_in_child(descriptor, limits)
    finally:
        os.close(descriptor)


def scan_open_in_child(descriptor: int, limits: ScanLimits, *, bystander: bool = False) -> Scan:
    """Judge an open file like ``scan_in_child``; the descriptor stays open.

    Args:
        bystander: the caller has found it to be no model (a text, a picture); what is asked is only
            whether a loader of models could read it all the same.
    """
    size = os.fstat(descriptor).st_size
    try:
        return _ask(descriptor, size, limits, bystander)
    except UnscannedError as error:
        return Scan(Format.UNKNOWN, (), str(error), size)


def _ask(descriptor: int, size: int, limits: ScanLimits, bystander: bool) -> Scan:
    """Start the child and read its answer.

    1. It ends by itself, in time, with exit code 0.
    2. It says one line, and no more than a scan can be.
    3. The line is a scan of a file of this size.

    Raises:
        UnscannedError: a step finds something else.
    """
    numbers = [str(getattr(limits, name)) for name in ScanLimits.__dataclass_fields__]
    what = [str(descriptor), "bystander" if bystander else "model"]
    command = [sys.executable, "-I", "-S", "-c", _START, str(_ROOT), *what, *numbers]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pass_fds=(descriptor,),
        env={},
        cwd="/",
    )
    late = threading.Event()

    def end() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(limits.wall, end)
    timer.start()
    try:
        with process:
            answered = process.stdout.read(_LONGEST_ANSWER + 1) if process.stdout else b""
            if len(answered) > _LONGEST_ANSWER:
                process.kill()
        code = process.returncode
    finally:
        timer.cancel()
    if late.is_set():  # 1
        raise UnscannedError(f"the scan took longer than {limits.wall:g} seconds")
    if code != 0:
        raise UnscannedError(f"the scan's process ended with {_explain(code)}")
    try:
        line = read_answer(answered, _LONGEST_ANSWER)  # 2
    except ValueError as error:
        raise UnscannedError("the scan's process did not answer with one line") from error
    try:
        scan = parse_scan(line)
    except ValueError as error:
        raise UnscannedError("the scan's process did not answer with a scan") from error
    if scan.size != size:  # 3
        raise UnscannedError("the scan's process answered for another file")
    return scan


def _explain(code: int) -> str:
    """Say how a process ended."""
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def answer(arguments: list[str]) -> None:
    """Be the child: take the limits upon this process, judge the descriptor, print one line."""
    fields = list(ScanLimits.__dataclass_fields__)
    values = {
        name: float(text) if name == "wall" else int(text)
        for name, text in zip(fields, arguments[2:], strict=True)
    }
    limits = ScanLimits(**values)  # type: ignore[arg-type]  # the one float is converted above
    descriptor = int(arguments[0])
    scan = {"model": scan_descriptor, "bystander": scan_bystander}[arguments[1]]
    for codec in _CODECS:  # no file can be opened any more once this process is restricted
        codecs.lookup(codec)
    restrict(limits.memory, limits.cpu, descriptors=descriptor + 1)
    write_answer(format_scan(scan(descriptor, limits)))
