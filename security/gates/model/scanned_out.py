"""A scanned out: the findings, reasons and digests of its files, and the report on all of them."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field

from security.content.out_files import OutFile, RefusedFile
from security.content.printable import printable
from security.finding import UNJUDGED, Finding, Severity
from security.gates.interface import MODELS, Report, Task
from security.gates.tool.out_bytes import digest_fact
from security.gates.tool.reason_list import join_reasons
from security.model_scan.companion_files import has_companion_name
from security.model_scan.report import UNKNOWN_FORMAT, OutsideWeights, Scan, ScanFinding

UNKNOWN, OUTSIDE, RANGE = "unknown-format", "onnx-external-data", "onnx-external-range"
_NO_MODEL = "no model file in the out"


@dataclass(slots=True)
class ScannedOut:
    """The report while the files of an out are scanned.

    Attributes:
        declared: whether the project says that the out is a model.
        weights: whether it holds the weights of a model, so that configuration in it counts.
        scanned: files that were scanned to their end.
        outside: the weights in other files, by the path of the model that names them.
        pickles: paths of files that may hold a pickle.
        models: number of files that are models, by their content.
        passed: number of files that need no scan: texts and pictures beside models, and data.
    """

    task: Task
    declared: bool
    weights: bool = False
    findings: list[Finding] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    digests: list[tuple[str, str]] = field(default_factory=list)
    scanned: dict[str, OutFile] = field(default_factory=dict)
    pickles: set[str] = field(default_factory=set)
    passed: int = 0
    unknown: int = 0
    models: int = 0
    size: int = 0
    formats: set[str] = field(default_factory=set)
    sizes: dict[str, int] = field(default_factory=dict)
    outside: list[tuple[str, OutsideWeights]] = field(default_factory=list)

    def refuse(self, file: RefusedFile) -> None:
        """Add a file that could not be opened."""
        self.reasons.append(_about(file.path, file.reason))

    def note(self, path: str, reason: str) -> None:
        """Add a reason that has nothing to do with the bytes of a file."""
        self.reasons.append(_about(path, reason))

    def add(self, file: OutFile, scan: Scan, sha256: str, *, bystander: bool) -> None:
        """Add the scan of a file.

        Every finding can be waived for these bytes. Content of an unknown format is a finding in a
        declared model, unless its name calls it a text or a picture. Other content that cannot be
        scanned leaves the report incomplete.
        """
        own = f"sha256:{sha256}"
        self.digests.append((file.path, sha256))
        self.size += scan.size
        self.sizes[file.path] = scan.size
        self.outside += [(file.path, one) for one in scan.weights]
        self.findings += [self._finding(file.path, one, own) for one in scan.findings]
        unknown = scan.unjudged == UNKNOWN_FORMAT and self.declared
        if unknown and not (file.path and has_companion_name(file.path)):
            message = "unknown format: what a loader makes of it is not known"
            self._append(UNKNOWN, message, file.path, own, None)
            self.unknown += 1
        elif scan.unjudged is not None:
            reason = _about(file.path, scan.unjudged)
            self.reasons.append(reason)
            self._append(UNJUDGED, reason, file.path, own, None)
        if bystander and not scan.findings:
            self.passed += 1
        elif scan.findings or scan.unjudged is None:
            self.formats.add(scan.format.value)
            self.scanned[file.path] = file

    def add_second(self, path: str, name: str) -> None:
        """Add a dangerous import that picklescan has found."""
        shown = printable(name)
        message = f"dangerous import, according to picklescan: {shown}"
        own = next((f"sha256:{digest}" for one, digest in self.digests if one == path), "")
        self._append(f"picklescan:{shown}", message, path, own, Severity.HIGH)

    def report(self) -> Report:
        """Return the report."""
        self._resolve_weights()
        facts: dict[str, str | int | float] = {
            "formats": ", ".join(sorted(self.formats)),
            "bytes": self.size,
            "files": len(self.digests),
            "skipped": self.passed,
            MODELS: max(self.models, int(self.declared)),
        }
        judged = len(self.scanned) + self.unknown
        if self.declared:
            facts |= digest_fact(self.digests)
        else:
            judged = max(judged + self.passed, 1)
        if not judged and not self.reasons:
            self.reasons.append(_NO_MODEL)
        return Report(tuple(self.findings), judged, join_reasons(self.reasons), facts)

    def _resolve_weights(self) -> None:
        """Accept the files that a model of this out names for its weights, if they hold them."""
        named, resolved = set[str](), set[tuple[str, str]]()
        for path, one in self.outside:
            target = posixpath.normpath(posixpath.join(posixpath.dirname(path), one.path))
            if target not in self.sizes:
                continue
            if one.end > self.sizes[target]:
                message = f"weights beyond the end of their file: {printable(one.path)}"
                self._append(RANGE, message, path, "", Severity.HIGH)
                continue
            named.add(self._project_path(target))
            resolved.add((self._project_path(path), f"{OUTSIDE}:{one.path}"))
        before = len(self.findings)
        self.findings = [one for one in self.findings if one.id != UNKNOWN or one.path not in named]
        accepted = before - len(self.findings)
        self.unknown, self.passed = self.unknown - accepted, self.passed + accepted
        self.findings = [
            one
            for one in self.findings
            if one.id != OUTSIDE or not any((one.path, alias) in resolved for alias in one.aliases)
        ]

    def _finding(self, path: str, found: ScanFinding, own: str) -> Finding:
        """Convert a finding of the scanner."""
        named = (f"{found.rule}:{found.subject}",) if found.subject else ()
        return Finding(
            found.rule,
            f"{found.message} ({found.location})",
            Severity(found.severity.value),
            path=self._project_path(path),
            aliases=(*named, own),
        )

    def _append(
        self, rule: str, message: str, path: str, own: str, severity: Severity | None
    ) -> None:
        aliases = (own,) if own else ()
        place = self._project_path(path)
        self.findings.append(Finding(rule, message, severity, path=place, aliases=aliases))

    def _project_path(self, path: str) -> str:
        subject = self.task.subject
        return printable(f"{subject}/{path}" if path else subject, 4096)


def _about(path: str, reason: str) -> str:
    return f"{printable(path)}: {reason}" if path else reason
