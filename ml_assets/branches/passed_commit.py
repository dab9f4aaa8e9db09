"""The passed commit of a branch: the last one whose run passed."""

from __future__ import annotations

from resources.errors import LostRaceError
from resources.git.mirror import VERIFIED, Mirror


def read_passed(mirror: Mirror, branch: str) -> str | None:
    """Return the last passed commit of a branch; None before the first one."""
    return mirror.read_ref(f"{VERIFIED}/{branch}")


def mark_passed(mirror: Mirror, branch: str, commit: str) -> None:
    """Record that a commit has passed, unless a later commit of the branch has passed."""
    ref = f"{VERIFIED}/{branch}"
    old, head = mirror.read_ref(ref), mirror.read_tracked(branch)
    later = old is not None and old != commit and mirror.is_ancestor(commit, old)
    if later and head is not None and old is not None and mirror.is_ancestor(old, head):
        return
    try:
        mirror.write_ref(ref, commit, old)
    except LostRaceError:
        mark_passed(mirror, branch, commit)
