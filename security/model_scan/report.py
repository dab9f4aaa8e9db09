"""Values that a scan answers with: findings and where they are, or why nothing can be said."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any


class ScanSeverity(str, Enum):
    """How bad a finding is, worst first."""

    HIGH = "high"  # code of the file's choice runs, or could run, when the file is loaded
    MEDIUM = "medium"  # the file says different things to different readers, or hides something
    LOW = "low"  # harmless by itself; a policy may want to know


class Format(str, Enum):
    """What a file's content is."""

    PICKLE = "pickle"
    JOBLIB = "joblib"
    NPY = "npy"
    NPZ = "npz"
    ZIP = "zip"
    GZIP = "gzip"
    ZLIB = "zlib"
    BZIP2 = "bzip2"
    XZ = "xz"
    LZMA = "lzma"
    TORCH = "torch"
    TORCH_LEGACY = "torch-legacy"
    SKOPS = "skops"
    SAFETENSORS = "safetensors"
    ONNX = "onnx"
    JSON = "json"
    UNKNOWN = "unknown"


class ScanStatus(str, Enum):
    """What a scan comes to. Only `CLEAN` lets a file pass."""

    CLEAN = "clean"
    DANGEROUS = "dangerous"
    UNJUDGED = "unjudged"


@dataclass(frozen=True, slots=True)
class ScanLocation:
    """A place in a file: the members and layers on the way to it, outermost first, and an offset.

    Attributes:
        inside: names of archive members and compression layers, as the file spells them.
        offset: in bytes from the start of the innermost layer; None for the layer as a whole.
    """

    inside: tuple[str, ...] = ()
    offset: int | None = None

    def enter(self, name: str) -> ScanLocation:
        """Return the location of a member or layer of this one."""
        return ScanLocation((*self.inside, name))

    def at(self, offset: int) -> ScanLocation:
        """Return a place in this layer."""
        return ScanLocation(self.inside, offset)

    def __str__(self) -> str:
        inside = " > ".join(quote(name) for name in self.inside)
        place = "" if self.offset is None else f"byte {self.offset}"
        return ", ".join(part for part in (inside, place) if part) or "the file"


@dataclass(frozen=True, slots=True)
class ScanFinding:
    """Something in the file that should keep it from being loaded.

    Attributes:
        rule: a short, stable name that waivers can match on.
        subject: what it is about, for example the dotted name of a callable.
    """

    rule: str
    severity: ScanSeverity
    message: str
    location: ScanLocation
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Scan:
    """The outcome for one file.

    Attributes:
        format: what the outermost content was recognised as.
        findings: in the order in which they were met; at most `ScanLimits.findings`.
        unjudged: why the file, or the rest of it, could not be judged; None when all of it was.
        size: of the file in bytes.
    """

    format: Format
    findings: tuple[ScanFinding, ...]
    unjudged: str | None
    size: int

    @property
    def status(self) -> ScanStatus:
        """Come to one answer: a finding outranks what could not be judged."""
        if self.findings:
            return ScanStatus.DANGEROUS
        return ScanStatus.CLEAN if self.unjudged is None else ScanStatus.UNJUDGED


class UnscannedError(Exception):
    """The bytes cannot be judged: malformed, not supported, or beyond a limit."""

    def __init__(self, reason: str, location: ScanLocation | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.location = location

    def __str__(self) -> str:
        if self.location is None or self.location == ScanLocation():
            return self.reason
        return f"{self.reason} ({self.location})"


def quote(text: str, limit: int = 120) -> str:
    """Make text from a file fit for one line of a message: printable, short, not misleading."""
    shown = text if len(text) <= limit else f"{text[:limit]}…"
    return shown.encode("unicode_escape").decode("ascii") if not shown.isprintable() else shown


def format_scan(scan: Scan) -> str:
    """Return a scan as one line of JSON."""
    return json.dumps(asdict(scan), ensure_ascii=True, separators=(",", ":"))


def parse_scan(line: str) -> Scan:
    """Read what `format_scan` has written, and nothing else.

    Raises:
        ValueError: the text is not exactly such a line.
    """
    try:
        record = json.loads(line)
        findings = tuple(_parse_finding(one) for one in record["findings"])
        unjudged = record["unjudged"]
        scan = Scan(Format(record["format"]), findings, unjudged, record["size"])
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"not a scan: {type(error).__name__}") from error
    if not (unjudged is None or isinstance(unjudged, str)) or type(scan.size) is not int:
        raise ValueError("not a scan: a field has another type")
    if format_scan(scan) != line:
        raise ValueError("not a scan: it does not read back as written")
    return scan


def _parse_finding(record: dict[str, Any]) -> ScanFinding:
    """Read one finding, whose fields the caller compares by writing them again."""
    place = record["location"]
    location = ScanLocation(tuple(place["inside"]), place["offset"])
    severity = ScanSeverity(record["severity"])
    return ScanFinding(record["rule"], severity, record["message"], location, record["subject"])
