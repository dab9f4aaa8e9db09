"""Worker: a child process that reads untrusted files for its parent.

A file that makes its reader use up memory or time, or that takes the process over, costs the parent
one error. The worker limits itself before it reads, gets its request as a JSON file or as
arguments, and answers with one line on standard output. The parent believes a line that reads back
as it was written, and nothing else.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any


def start_code(module: str) -> str:
    """Return what ``python -I -c`` runs to call a module's ``answer``.

    Its arguments are the directory of our packages, which comes last on ``sys.path``, and those of
    the worker.
    """
    return (
        "import sys; sys.path.append(sys.argv[1]);"
        f" from {module} import answer; answer(sys.argv[2:])"
    )


def restrict(memory: int, cpu: int, descriptors: int | None = None) -> None:
    """Limit this process for good: a limit can be raised by root only.

    It can write no byte to a file and dump no core.

    Args:
        memory: bytes of address space.
        cpu: seconds of processor time.
        descriptors: numbers that a file descriptor can have; None sets no limit. What Python loads
            late has to be loaded first.

    Raises:
        OSError, ValueError: the system refuses a limit. Read nothing then.
    """
    limits = {
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_CPU: cpu,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
    }
    if descriptors is not None:
        limits[resource.RLIMIT_NOFILE] = descriptors
    for kind, most in limits.items():
        _, hard = resource.getrlimit(kind)
        granted = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (granted, granted))


def read_request(path: str) -> Any:
    """Read the request that the parent has written to a file as JSON."""
    return json.loads(Path(path).read_bytes())


def write_answer(line: str) -> None:
    """Send the answer to the parent."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def read_answer(output: bytes, longest: int = sys.maxsize) -> str:
    """Return the line that a worker has answered with, in the parent.

    Raises:
        ValueError: the output is not exactly one line of ASCII of at most so many bytes.
    """
    if len(output) > longest:
        raise ValueError("too long")
    if output.count(b"\n") != 1 or not output.endswith(b"\n") or not output.isascii():
        raise ValueError("not one line")
    return output[:-1].decode("ascii")
