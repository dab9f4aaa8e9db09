"""The state of a running scan: findings, budget and nesting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from security.model_scan.byte_stream import ByteContent
from security.model_scan.compression import Budget
from security.model_scan.limits import ScanLimits
from security.model_scan.report import (
    Format,
    ScanFinding,
    ScanLocation,
    ScanPurpose,
    ScanSeverity,
    UnscannedError,
    quote,
)
from security.model_scan.scratch import Scratch

Judge = Callable[["Examination", ByteContent, ScanLocation], Format]


@dataclass(slots=True)
class Examination:
    """The state that the readers of all formats share.

    Attributes:
        judge: detects the format of content and scans it; containers call it for their members.
        scratch: memory for archives inside archives.
        purpose: of the file.
        depth: number of containers around the current content.
        weights: where the weights in other files end, by the path of the file.
        dropped: number of findings beyond `ScanLimits.findings`.
    """

    limits: ScanLimits
    budget: Budget
    judge: Judge
    scratch: Scratch
    purpose: ScanPurpose = ScanPurpose.MODEL
    depth: int = 0
    dropped: int = 0
    weights: dict[str, int] = field(default_factory=dict)
    found: dict[tuple[str, str, tuple[str, ...]], ScanFinding] = field(default_factory=dict)

    def find(
        self,
        rule: str,
        severity: ScanSeverity,
        message: str,
        where: ScanLocation,
        subject: str = "",
    ) -> None:
        """Add a finding, unless its layer already has one of the same rule and subject."""
        key = (rule, subject or message, where.inside)
        if key in self.found:
            return
        if len(self.found) >= self.limits.findings:
            self.dropped += 1
            return
        short = message if len(message) <= 400 else f"{message[:400]}…"
        shown = short.encode("unicode_escape").decode("ascii")
        self.found[key] = ScanFinding(rule, severity, shown, where, quote(subject, 400))

    def enter(self, content: ByteContent, where: ScanLocation) -> Format:
        """Scan the content of a container.

        Raises:
            UnscannedError: containers are nested too deeply, or the content cannot be scanned.
        """
        if self.depth >= self.limits.depth:
            raise UnscannedError("containers are nested too deeply", where, capable=True)
        self.depth += 1
        try:
            return self.judge(self, content, where)
        finally:
            self.depth -= 1
