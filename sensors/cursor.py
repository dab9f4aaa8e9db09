"""The cursor of the branch sensor: its state between two ticks, in Dagster's storage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Waiting:
    """A commit that waits to become a run.

    Attributes:
        waits: the ticks that the commit has waited for definitions with its graph.
        after: the id of the commit's last run, which has died; None for the first run.
    """

    branch: str
    commit: str
    waits: int = 0
    after: str | None = None

    @property
    def key(self) -> str:
        """The key of the run; Dagster starts one run for each key."""
        key = f"{self.branch}@{self.commit}"
        return key if self.after is None else f"{key}+{self.after}"


@dataclass(frozen=True)
class Cursor:
    """The state between two ticks.

    Attributes:
        heads: the last seen commit of each branch, also of deleted ones.
        waiting: commits that wait to become runs.
        failures: the number of failed attempts in a row to reach the remote.
        retry_at: the time of the next attempt, in seconds since 1970.
    """

    heads: Mapping[str, str] = field(default_factory=dict)
    waiting: tuple[Waiting, ...] = ()
    failures: int = 0
    retry_at: float = 0.0


def write_cursor(cursor: Cursor) -> str:
    """Write a cursor for Dagster's storage."""
    return json.dumps(
        {
            "version": 1,
            "heads": dict(cursor.heads),
            "waiting": [[one.branch, one.commit, one.waits, one.after] for one in cursor.waiting],
            "failures": cursor.failures,
            "retry_at": cursor.retry_at,
        }
    )


def parse_cursor(text: str | None) -> Cursor:
    """Parse a stored cursor; an empty text gives the cursor of the first start.

    Raises:
        ValueError: another program or another version has written the text.
    """
    if not text:
        return Cursor()
    document: Any = json.loads(text)
    if not isinstance(document, dict) or document.get("version") != 1:
        raise ValueError(f"not a cursor of this version: {text[:80]}")
    return Cursor(
        heads={str(name): str(sha) for name, sha in document["heads"].items()},
        waiting=tuple(map(_parse_waiting, document["waiting"])),
        failures=int(document["failures"]),
        retry_at=float(document["retry_at"]),
    )


def _parse_waiting(entry: Any) -> Waiting:
    branch, commit, waits, *rest = entry
    (after,) = rest or (None,)  # earlier releases wrote three values
    return Waiting(str(branch), str(commit), int(waits), str(after) if after is not None else None)
