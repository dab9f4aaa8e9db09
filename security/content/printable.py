"""Printable text: what others have named, put on one line that nobody can be misled by."""

from __future__ import annotations


def printable(text: str, limit: int = 200) -> str:
    """Return a text for one line of a message: control characters escaped, and not too long.

    Args:
        limit: characters of the original that are kept.
    """
    shown = text if len(text) <= limit else f"{text[: limit - 1]}…"
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape", "surrogatepass").decode("ascii")
        for one in shown
    )
