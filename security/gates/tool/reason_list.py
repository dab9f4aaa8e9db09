"""Reason lists: why parts of a subject could not be checked, as one message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from security.content.printable import printable

_SHOWN = 5


def join_reasons(reasons: Sequence[str], start: str = "") -> str | None:
    """Return the first reasons and the number of the others; None without reasons.

    Args:
        start: the beginning of the message.
    """
    if not reasons:
        return None
    more = len(reasons) - _SHOWN
    return start + "; ".join([*reasons[:_SHOWN], *([f"and {more} more"] if more > 0 else [])])


def file_reasons(reasons: Mapping[str, str]) -> list[str]:
    """Return one printable reason for each file, sorted by path."""
    return [f"{printable(path)}: {printable(reasons[path])}" for path in sorted(reasons)]
