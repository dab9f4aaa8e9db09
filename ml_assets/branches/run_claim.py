"""A claim: a name that exactly one holder gets, permanently, even if several claim it at once."""

from __future__ import annotations

import os
from pathlib import Path


def claim(directory: Path, name: str, holder: str) -> str:
    """Claim a name for a holder; return its holder, who may be another one."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / name.replace("/", "%2F")
    own = directory / f".{holder}"
    own.write_text(holder, "utf-8")
    try:
        os.link(own, file)  # atomic
    except FileExistsError:
        return file.read_text("utf-8")
    finally:
        own.unlink()
    return holder
