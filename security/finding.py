"""Findings: what a gate's tool has found, how bad it says that is, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Severity(Enum):
    """How bad a finding is, by the word of its tool."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Return its place in the order, from 0 for the least."""
        return list(Severity).index(self)


class Confidence(Enum):
    """How sure a tool is of a finding."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def rank(self) -> int:
        """Return its place in the order, from 0 for the least."""
        return list(Confidence).index(self)


class Silencing(Enum):
    """What keeps a tool from reporting a finding. It is reported all the same, and said to be so.

    COMMENT: a comment in the judged text, such as ``# noqa``, ``# nosec`` or an allow-list pragma.
    BASELINE: a baseline file.
    """

    COMMENT = "comment"
    BASELINE = "baseline"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a tool has found.

    Attributes:
        id: the rule, advisory or test that it is about, as waivers name it: ``B602``,
            ``CVE-2024-1234``, ``tests/unit/test_a.py::test_b``.
        message: one sentence; may hold what the judged text says.
        severity: None where nobody says how bad it is; a policy decides what that means.
        confidence: None where the tool knows no such thing.
        path: of the file, relative to the project's root with ``/`` between names; may be empty.
        line: counted from 1; None for the file as a whole.
        column: counted from 1.
        package: ``name==version`` where it is about one; may be empty.
        aliases: further names that it goes by, which a waiver may use as well.
        silenced: what asked the tool to be silent about it.
    """

    id: str
    message: str
    severity: Severity | None = None
    confidence: Confidence | None = None
    path: str = ""
    line: int | None = None
    column: int | None = None
    package: str = ""
    aliases: tuple[str, ...] = ()
    silenced: Silencing | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values; ``parse_finding`` gives an equal one back."""
        return {
            "id": self.id,
            "message": self.message,
            "severity": self.severity.value if self.severity else None,
            "confidence": self.confidence.value if self.confidence else None,
            "path": self.path,
            "line": self.line,
            "column": self.column,
            "package": self.package,
            "aliases": list(self.aliases),
            "silenced": self.silenced.value if self.silenced else None,
        }

    @property
    def place(self) -> str:
        """Say where it is: a package, a path, or a path with its line."""
        if self.package:
            return self.package
        return f"{self.path}:{self.line}" if self.path and self.line else self.path


def parse_finding(values: Mapping[str, Any]) -> Finding:
    """Read what ``Finding.to_json`` has written, and nothing else.

    Raises:
        ValueError: the values are not those of a finding.
    """
    try:
        finding = Finding(
            id=values["id"],
            message=values["message"],
            severity=None if values["severity"] is None else Severity(values["severity"]),
            confidence=None if values["confidence"] is None else Confidence(values["confidence"]),
            path=values["path"],
            line=values["line"],
            column=values["column"],
            package=values["package"],
            aliases=tuple(values["aliases"]),
            silenced=None if values["silenced"] is None else Silencing(values["silenced"]),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a finding: {type(error).__name__}: {error}") from error
    texts = (finding.id, finding.message, finding.path, finding.package, *finding.aliases)
    numbers = (finding.line, finding.column)
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("not a finding: a text has another type")
    if not all(number is None or type(number) is int for number in numbers):
        raise ValueError("not a finding: a number has another type")
    if finding.to_json() != dict(values):
        raise ValueError("not a finding: it has other fields")
    return finding
