"""JSON reports that code of the project writes, which may be hostile."""

from __future__ import annotations

import math
import os
import stat
from pathlib import Path
from typing import Any

from security.content.document import parse_json
from security.content.printable import printable
from security.gates.interface import GateError

_MOST_BYTES = 16 << 20


def load_json(path: Path, *, follow: bool = False) -> Any:
    """Load a JSON file.

    Args:
        follow: follow symbolic links, which DVC makes for cached files.

    Raises:
        GateError: the file is missing, too large, not JSON by RFC 8259, or has a duplicate key.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    try:
        with os.fdopen(os.open(path, flags), "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise ValueError("not a regular file")
            content = stream.read(_MOST_BYTES + 1)
        return parse_json(content, _MOST_BYTES, byte_order_mark=True)
    except OSError as error:
        why = f"{error.strerror}: {printable(path.name)}"
        raise GateError(
            why.lower(), f"check the program that writes {printable(path.name)}"
        ) from error
    except ValueError as error:
        why = f"{printable(path.name)}: {printable(str(error))}"
        raise GateError(
            f"unreadable JSON: {why}", f"check the program that writes {printable(path.name)}"
        ) from error


def as_number(value: object) -> float | None:
    """Return a finite number; None for any other value, such as a boolean or a string."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None
