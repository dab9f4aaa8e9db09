"""Findings of a gate's tool: their severity, confidence and place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

#: The id of a finding about content that a gate could not judge: it does not fail, it is an error.
UNJUDGED = "unjudged"


class Severity(Enum):
    """The severity of a finding, as its tool rates it."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """The rank, 0 for the lowest."""
        return list(Severity).index(self)


class Confidence(Enum):
    """The confidence of a tool in a finding."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def rank(self) -> int:
        """The rank, 0 for the lowest."""
        return list(Confidence).index(self)


class Silencing(Enum):
    """What silences a finding; gates report silenced findings too.

    COMMENT: a comment in a judged file, such as ``# noqa``, ``# nosec`` or an allow-list pragma.
    BASELINE: a baseline file.
    """

    COMMENT = "comment"
    BASELINE = "baseline"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding of a tool.

    Attributes:
        id: its rule, advisory or test, as in waivers: ``B602``, ``CVE-2024-1234``,
            ``tests/unit/test_a.py::test_b``.
        message: one sentence; may contain untrusted text.
        severity: None if the tool gives no severity; the policy decides the effect.
        confidence: None if the tool gives no confidence.
        path: path of the file, relative to the project's root with ``/`` between names, or empty.
        line: counted from 1; None for the whole file.
        column: counted from 1.
        package: ``name==version``, or empty.
        aliases: other ids of the finding, which waivers may use.
        silenced: the comment or baseline that silences it.
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
        """Return the finding as plain values; ``parse_finding`` is the inverse."""
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
    def names(self) -> tuple[str, ...]:
        """The names that waive the finding, the most specific one first.

        An id that stands for a class of findings is none of them: a waiver of one import must not
        cover another. Such a finding has aliases for its subject or for the bytes of its file.
        """
        specific = tuple(one for one in self.aliases if one.startswith(f"{self.id}:"))
        of_class = bool(specific) or any(one.startswith("sha256:") for one in self.aliases)
        if of_class and ":" not in self.id:
            return (*specific, *(one for one in self.aliases if one not in specific))
        return (self.id, *self.aliases)

    @property
    def place(self) -> str:
        """The package, the path, or the path with its line."""
        if self.package:
            return self.package
        return f"{self.path}:{self.line}" if self.path and self.line else self.path


def parse_finding(values: Mapping[str, Any]) -> Finding:
    """Parse the output of ``Finding.to_json``, and refuse anything else.

    Raises:
        ValueError: the values are not a finding.
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
        raise ValueError("not a finding: wrong type of a text")
    if not all(number is None or type(number) is int for number in numbers):
        raise ValueError("not a finding: wrong type of a number")
    if finding.to_json() != dict(values):
        raise ValueError("not a finding: unknown fields")
    return finding
