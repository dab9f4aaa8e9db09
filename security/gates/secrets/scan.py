"""The secrets scan: a process that searches files of the current directory for secrets.

Its argument names a JSON file with the paths and size limits. It prints one JSON document with an
entry for each path, in order: the kind of file and the hits in it, or why it was not scanned. The
document holds no secret and no digest of one.

Once its code is loaded, the process can neither open a socket nor start a program. A plugin that
asks a network service whether a secret works would end it.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detect_secrets.filters.allowlist import is_line_allowlisted
from detect_secrets.util.code_snippet import CodeSnippet

from security.finding import Silencing
from security.gates.secrets.baseline import Baseline, drop_hashes, parse_baseline
from security.gates.secrets.detectors import Detectors, Hit
from security.gates.secrets.false_positives import find_false_positive
from security.gates.secrets.readable_text import View, read_text
from security.gates.secrets.scan_report import BASELINE

_FORBIDDEN = ("socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.fork")


@dataclass(frozen=True, slots=True)
class SizeLimits:
    """The size limits of scanned files, in bytes."""

    text: int
    binary: int


class _Unread(Exception):
    """The reason why a file was not scanned."""


@dataclass(slots=True)
class _Scan:
    """A scan in progress.

    Attributes:
        used: entries of the baseline that matched a hit.
    """

    baseline: Baseline
    detectors: Detectors
    limits: SizeLimits
    used: set[tuple[str, str, str]] = field(default_factory=set)

    def scan_file(self, path: str) -> dict[str, Any]:
        """Scan one file and return its entry."""
        try:
            kind, data = _read(path, self.limits)
        except _Unread as reason:
            return {"path": path, "unread": str(reason)}
        except OSError as error:
            return {"path": path, "unread": error.strerror or type(error).__name__}
        text = read_text(path, data)
        if not text.binary and len(data) > self.limits.text:
            return {"path": path, "unread": f"text larger than {self.limits.text} bytes"}
        noise: Counter[str] = Counter()
        seen: dict[tuple[str, str, int, str], Silencing | None] = {}
        for view in text.views:
            for hit in self._search(path, view):
                false_positive = find_false_positive(hit)
                if false_positive is not None:
                    noise[false_positive.value] += 1
                    continue
                number = 0 if text.binary else view.number(hit.line)
                key = (hit.detector, hit.type, number, hit.secret_hash)
                silenced = self._silencing(path, view, hit, number)
                # Found in two views, one of which holds a comment: silenced.
                seen[key] = silenced or seen.get(key)
        kind = "binary" if text.binary else kind
        return {"path": path, "kind": kind, "hits": _merge(seen), "noise": dict(noise)}

    def _search(self, path: str, view: View) -> Iterator[Hit]:
        if path == BASELINE:
            view = View(drop_hashes(view.pieces), view.sources, view.lines, view.numbers, False)
        return self.detectors.search(path, view)

    def _silencing(self, path: str, view: View, hit: Hit, number: int) -> Silencing | None:
        line = view.lines[hit.line]
        if self.baseline.knows(path, hit, number):
            self.used.add((path, hit.type, hit.secret_hash))
            return Silencing.BASELINE
        before = view.lines[hit.line - 1] if hit.line else ""
        context = CodeSnippet([before, line], hit.line - 1, 1)
        if self.baseline.comments and is_line_allowlisted(path, line, context):
            return Silencing.COMMENT
        if self.baseline.leaves_out(path, hit, line):
            return Silencing.BASELINE
        return None


def _merge(seen: dict[tuple[str, str, int, str], Silencing | None]) -> list[list[Any]]:
    """Merge the hits of one kind on a line; they are silenced only if each of them is."""
    merged: dict[tuple[str, str, int], Silencing | None] = {}
    for (detector, kind, number, _), silenced in seen.items():
        key = (detector, kind, number)
        merged[key] = merged[key] and silenced if key in merged else silenced
    return [
        [*key, silenced.value if silenced else None]
        for key, silenced in sorted(merged.items(), key=lambda item: item[0][2])
    ]


def _read(path: str, limits: SizeLimits) -> tuple[str, bytes]:
    """Return the kind and the bytes of a file; for a link, the target's name as in Git."""
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        return "link", os.fsencode(os.readlink(path))
    if not stat.S_ISREG(status.st_mode):
        raise _Unread("neither a regular file nor a link")
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        data = file.read(max(limits.text, limits.binary) + 1)
    if len(data) > max(limits.text, limits.binary):
        raise _Unread(f"larger than {max(limits.text, limits.binary)} bytes")
    return "text", data


def _forbid(event: str, _arguments: object) -> None:
    """Refuse operations that a scan does not need."""
    if event.startswith(_FORBIDDEN):
        raise RuntimeError(f"forbidden in a scan: {event}")


def main(arguments: list[str]) -> int:
    """Scan the files and print the report."""
    request = json.loads(Path(arguments[0]).read_bytes())
    sys.addaudithook(_forbid)
    try:
        known = request["baseline"]
        baseline = Baseline() if known is None else parse_baseline(Path(known).read_bytes())
    except ValueError as error:
        json.dump({"baseline": str(error)}, sys.stdout)
        return 3
    scan = _Scan(
        baseline, Detectors(baseline.limits), SizeLimits(request["text"], request["binary"])
    )
    files = [scan.scan_file(path) for path in request["files"]]
    entries = len(baseline.entries)
    json.dump({"files": files, "entries": entries, "used": len(scan.used)}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
