"""The home of a watch: the directory of a mirror and its worktrees, outside of all checkouts.

Test runners and linters look for settings in all directories above their files.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from ml_assets.signer.user_directories import find_watches

_NO_NAME = re.compile(r"[^A-Za-z0-9._-]")


def find_watch_home(root: Path) -> Path:
    """Find the home of the watch over the remote of a checkout; it need not exist."""
    return name_watch_home(root.name, os.fspath(root))


def name_watch_home(name: str, identity: str) -> Path:
    """Return the home of a watch by the name and the identity of what is watched."""
    digest = hashlib.sha256(os.fsencode(identity)).hexdigest()[:12]
    return find_watches() / f"{slug(name)}-{digest}"


def slug(branch: str) -> str:
    """Return the directory name of a branch; no two branches share one."""
    return replace_characters(branch, _NO_NAME)


def replace_characters(name: str, unfit: re.Pattern[str]) -> str:
    """Return a name without unfit characters; no two names become one."""
    plain = unfit.sub("_", name)
    if plain == name:
        return plain
    return f"{plain}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"
