"""The scan of a model file in a child process with limited memory and time and no write access.

The parent opens the file and passes the descriptor, so that the child scans exactly this file. The
child answers with one line of JSON; a missing, truncated or different answer leaves the file
unjudged.
"""

from __future__ import annotations

import codecs
import os
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

from security.model_scan.config.document import prepare
from security.model_scan.limits import ScanLimits
from security.model_scan.report import (
    Format,
    Scan,
    ScanPurpose,
    UnscannedError,
    format_scan,
    parse_scan,
)
from security.model_scan.scan import open_model, scan_descriptor
from security.model_scan.scratch import Scratch
from security.sandbox.worker import read_answer, restrict, start_code, write_answer

_LONGEST_ANSWER = 4 << 20
_CODECS = ("ascii", "latin-1", "raw_unicode_escape", "unicode_escape", "utf-8")
_ROOT = Path(__file__).resolve().parents[2]
# `-I` ignores the current directory and PYTHON* variables, `-S` ignores installed packages: the
# child can import the standard library and, after it, this package.
_START = start_code("security.model_scan.child")


def scan_in_child(path: Path | str, limits: ScanLimits | None = None) -> Scan:
    """Scan the file at a path in a process with limits on memory, processor time and wall time.

    Returns:
        The scan of the child; unjudged if the child does not answer with a valid scan.
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


def scan_open_in_child(
    descriptor: int, limits: ScanLimits, purpose: ScanPurpose = ScanPurpose.MODEL
) -> Scan:
    """Scan an open file like ``scan_in_child``; the descriptor stays open."""
    size = os.fstat(descriptor).st_size
    try:
        return _ask(descriptor, size, limits, purpose)
    except UnscannedError as error:
        return Scan(Format.UNKNOWN, (), str(error), size)


def _ask(descriptor: int, size: int, limits: ScanLimits, purpose: ScanPurpose) -> Scan:
    """Start the child and read its answer.

    1. The child exits by itself, in time, with exit code 0.
    2. It answers with one line, not longer than the limit.
    3. The line is a scan of a file of this size.

    Raises:
        UnscannedError: a step fails.
    """
    numbers = [str(getattr(limits, name)) for name in ScanLimits.__dataclass_fields__]
    what = [str(descriptor), purpose.value, _find_packages()]
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
        raise UnscannedError(f"scan stopped: still running after {limits.wall:g} seconds")
    if code != 0:
        raise UnscannedError(f"scan process failed: {_explain(code)}")
    try:
        line = read_answer(answered, _LONGEST_ANSWER)  # 2
    except ValueError as error:
        raise UnscannedError("scan process did not answer with one line") from error
    try:
        scan = parse_scan(line)
    except ValueError as error:
        raise UnscannedError("scan process did not answer with a scan") from error
    if scan.size != size:  # 3
        raise UnscannedError("scan process answered for another file")
    return scan


def _find_packages() -> str:
    """Return the directory of the YAML parser, which is no part of the standard library."""
    found = find_spec("ruamel.yaml")
    return str(Path(found.origin).parents[2]) if found and found.origin else ""


def _explain(code: int) -> str:
    """Describe the exit of a process."""
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def answer(arguments: list[str]) -> None:
    """Run as the child: restrict this process, scan the descriptor, print one line."""
    fields = list(ScanLimits.__dataclass_fields__)
    values = {
        name: float(text) if name == "wall" else int(text)
        for name, text in zip(fields, arguments[3:], strict=True)
    }
    limits = ScanLimits(**values)  # type: ignore[arg-type]  # the one float is converted above
    descriptor = int(arguments[0])
    purpose = ScanPurpose(arguments[1])
    if purpose in (ScanPurpose.CONFIGURATION, ScanPurpose.BYSTANDER):
        sys.path.append(arguments[2])
        prepare()
    scratch = Scratch(limits.scratch)
    scratch.prepare()
    for codec in _CODECS:  # the restricted process cannot open files
        codecs.lookup(codec)
    highest = max(descriptor, scratch.descriptor)
    restrict(limits.memory, limits.cpu, descriptors=highest + 1)
    write_answer(format_scan(scan_descriptor(descriptor, limits, purpose, scratch)))
