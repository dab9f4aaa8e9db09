"""A claim: one holder's right to something, for ever, whoever else asks for it at the same time."""

from __future__ import annotations

import os
from pathlib import Path


def claim(directory: Path, name: str, holder: str) -> str:
    """Claim something for one holder for ever; return whose it is."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / name.replace("/", "%2F")
    own = directory / f".{holder}"
    own.write_text(holder, "utf-8")
    try:
        os.link(own, file)  # whole, or not at all
    except FileExistsError:
        return file.read_text("utf-8")
    finally:
        own.unlink()
    return holder
