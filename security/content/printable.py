"""Printable text: untrusted names on one line, without misleading control characters."""

from __future__ import annotations

import os
import re

_SURROGATE = re.compile("[\udc80-\udcff]").search


def printable(text: str, limit: int = 200) -> str:
    """Return a text for one line of a message, shortened and with control characters escaped.

    Args:
        limit: characters of the original to keep.
    """
    shown = text if len(text) <= limit else f"{text[: limit - 1]}…"
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape", "surrogatepass").decode("ascii")
        for one in shown
    )


def escape_bytes(text: str) -> str:
    """Return a text that can be written as UTF-8: each other byte of a file name as ``\\xe9``."""
    return os.fsencode(text).decode("utf-8", "backslashreplace") if _SURROGATE(text) else text
