"""Worker: a child process that reads untrusted files for its parent.

A file that exhausts the memory or time of its reader, or takes over its process, costs the parent
one error. The worker limits itself before it reads, gets its request as a JSON file or as
arguments, and answers with one line on standard output. The parent accepts a line only if it
serializes to the same text after parsing.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any


def start_code(module: str, function: str = "answer") -> str:
    """Return the code for ``python -I -c`` that calls a function of a module.

    Its arguments are the directory of our packages, which comes last on ``sys.path``, and those of
    the worker.
    """
    return (
        "import sys; sys.path.append(sys.argv[1]);"
        f" from {module} import {function}; {function}(sys.argv[2:])"
    )


def restrict(memory: int, cpu: int, descriptors: int | None = None) -> None:
    """Limit this process permanently: only root can raise a limit.

    The process cannot write to a file and dumps no core.

    Args:
        memory: bytes of address space.
        cpu: seconds of processor time.
        descriptors: one more than the highest file descriptor; None sets no limit. Import modules
            that Python loads lazily, such as codecs, first.

    Raises:
        OSError, ValueError: the system refuses a limit. Do not read untrusted files then.
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
    """Return the line of a worker's answer; for the parent.

    Raises:
        ValueError: the output is longer than ``longest`` bytes, or not exactly one line of ASCII.
    """
    if len(output) > longest:
        raise ValueError("too long")
    if output.count(b"\n") != 1 or not output.endswith(b"\n") or not output.isascii():
        raise ValueError("not one line")
    return output[:-1].decode("ascii")
