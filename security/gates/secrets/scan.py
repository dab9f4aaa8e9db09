"""The scan: a process that looks for secrets in files of the current directory.

Its one argument names a JSON file with the paths and bounds; its answer, on standard output, is one
JSON document with an entry for each path, in order: what kind of file it was and what was seen, or
why it was not looked at. A file that is not in the answer was not scanned, and there is no way to
leave one out. No secret, and no digest of one, is in the answer.

The process can open no socket and start no program once it has its own code: a plugin that asks a
service whether a secret works would end it.
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
from security.gates.secrets.false_positives import find_noise
from security.gates.secrets.readable_text import View, read_text
from security.gates.secrets.scan_report import BASELINE

_FORBIDDEN = ("socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.fork")


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bytes of the largest file that is looked at, by what is in it."""

    text: int
    binary: int


class _Unread(Exception):
    """A file that was not looked at, and why."""


@dataclass(slots=True)
class _Scan:
    """What goes on while files are looked at.

    Attributes:
        used: entries of the baseline that something was found for.
    """

    baseline: Baseline
    detectors: Detectors
    bounds: Bounds
    used: set[tuple[str, str, str]] = field(default_factory=set)

    def look(self, path: str) -> dict[str, Any]:
        """Look at one file."""
        try:
            kind, data = _read(path, self.bounds)
        except _Unread as reason:
            return {"path": path, "unread": str(reason)}
        except OSError as error:
            return {"path": path, "unread": error.strerror or type(error).__name__}
        text = read_text(path, data)
        if not text.binary and len(data) > self.bounds.text:
            return {"path": path, "unread": f"text of more than {self.bounds.text} bytes"}
        noise: Counter[str] = Counter()
        seen: dict[tuple[str, str, int, str], Silencing | None] = {}
        for view in text.views:
            for hit in self._search(path, view):
                is_noise = find_noise(hit)
                if is_noise is not None:
                    noise[is_noise.value] += 1
                    continue
                number = 0 if text.binary else view.number(hit.line)
                key = (hit.detector, hit.type, number, hit.secret_hash)
                silenced = self._silencing(path, view, hit, number)
                # Seen in two ways, with a comment that only one of them shows: silenced.
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
    """Return one hit for all of a kind on a line; silenced only if each of them is."""
    merged: dict[tuple[str, str, int], Silencing | None] = {}
    for (detector, kind, number, _), silenced in seen.items():
        key = (detector, kind, number)
        merged[key] = merged[key] and silenced if key in merged else silenced
    return [
        [*key, silenced.value if silenced else None]
        for key, silenced in sorted(merged.items(), key=lambda item: item[0][2])
    ]


def _read(path: str, bounds: Bounds) -> tuple[str, bytes]:
    """Return what a path is and its bytes; of a link those of its target's name, as Git has it."""
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        return "link", os.fsencode(os.readlink(path))
    if not stat.S_ISREG(status.st_mode):
        raise _Unread("neither a file nor a link")
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        data = file.read(max(bounds.text, bounds.binary) + 1)
    if len(data) > max(bounds.text, bounds.binary):
        raise _Unread(f"more than {max(bounds.text, bounds.binary)} bytes")
    return "text", data


def _forbid(event: str, _arguments: object) -> None:
    """Refuse what a scan of files has no need for."""
    if event.startswith(_FORBIDDEN):
        raise RuntimeError(f"not allowed in a scan: {event}")


def main(arguments: list[str]) -> int:
    """Scan, and print the answer."""
    task = json.loads(Path(arguments[0]).read_bytes())
    sys.addaudithook(_forbid)
    try:
        known = task["baseline"]
        baseline = Baseline() if known is None else parse_baseline(Path(known).read_bytes())
    except ValueError as error:
        json.dump({"baseline": str(error)}, sys.stdout)
        return 3
    scan = _Scan(baseline, Detectors(baseline.limits), Bounds(task["text"], task["binary"]))
    files = [scan.look(path) for path in task["files"]]
    entries = len(baseline.entries)
    json.dump({"files": files, "entries": entries, "used": len(scan.used)}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
