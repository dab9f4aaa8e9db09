"""The result of a scan: findings with locations, or the reason why the file is unjudged."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

#: The reason for content of a format that no reader knows.
UNKNOWN_FORMAT = "unknown format"


class ScanSeverity(str, Enum):
    """The severity of a finding, worst first."""

    HIGH = "high"  # loading the file runs, or could run, code of its choice
    MEDIUM = "medium"  # the file differs between readers, or hides content
    LOW = "low"  # harmless by itself, but relevant to some policies


class Format(str, Enum):
    """The format of a file's content."""

    PICKLE = "pickle"
    JOBLIB = "joblib"
    NPY = "npy"
    NPZ = "npz"
    ZIP = "zip"
    TAR = "tar"
    TEXT = "text"
    GZIP = "gzip"
    ZLIB = "zlib"
    BZIP2 = "bzip2"
    XZ = "xz"
    LZMA = "lzma"
    LZ4 = "lz4"
    TORCH = "torch"
    TORCH_LEGACY = "torch-legacy"
    SKOPS = "skops"
    SAFETENSORS = "safetensors"
    ONNX = "onnx"
    JSON = "json"
    LIGHTGBM = "lightgbm"
    XGBOOST_UBJ = "xgboost-ubj"
    CATBOOST = "catboost"
    GGUF = "gguf"
    TFLITE = "tflite"
    HDF5 = "hdf5"
    KERAS = "keras"
    UNKNOWN = "unknown"


class ScanPurpose(str, Enum):
    """The purpose of a file, which decides what an unreadable part of it means."""

    MODEL = "model"  # all of its content must be understood
    CONFIGURATION = "configuration"  # a document beside a model, which tells a loader what to do
    BYSTANDER = "bystander"  # a text or a picture beside a model, which no loader may read
    DATA = "data"  # only content that a loader can make code of counts


class ScanStatus(str, Enum):
    """The status of a scan. A file passes only with `CLEAN`."""

    CLEAN = "clean"
    DANGEROUS = "dangerous"
    UNJUDGED = "unjudged"


@dataclass(frozen=True, slots=True)
class ScanLocation:
    """A place in a file: the members and layers around it, outermost first, and an offset.

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
    """A reason not to load the file.

    Attributes:
        rule: a short, stable name that waivers match.
        subject: the offending value, for example the dotted name of a callable.
    """

    rule: str
    severity: ScanSeverity
    message: str
    location: ScanLocation
    subject: str = ""


@dataclass(frozen=True, slots=True)
class OutsideWeights:
    """Weights in another file: its path from the directory of the model, and where they end."""

    path: str
    end: int


@dataclass(frozen=True, slots=True)
class Scan:
    """The result for one file.

    Attributes:
        format: the format of the outermost content.
        findings: in the order of detection; at most `ScanLimits.findings`.
        unjudged: why the file, or the rest of it, could not be scanned; None after a full scan.
        size: size of the file in bytes.
        weights: the weights that it names in other files.
    """

    format: Format
    findings: tuple[ScanFinding, ...]
    unjudged: str | None
    size: int
    weights: tuple[OutsideWeights, ...] = ()

    @property
    def status(self) -> ScanStatus:
        """The status; findings take precedence over an unjudged rest."""
        if self.findings:
            return ScanStatus.DANGEROUS
        return ScanStatus.CLEAN if self.unjudged is None else ScanStatus.UNJUDGED


class UnscannedError(Exception):
    """The bytes cannot be scanned: they are malformed, unsupported or beyond a limit.

    Attributes:
        capable: whether some loader could still make code of the bytes.
    """

    def __init__(
        self, reason: str, location: ScanLocation | None = None, *, capable: bool = False
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.location = location
        self.capable = capable

    def __str__(self) -> str:
        if self.location is None or self.location == ScanLocation():
            return self.reason
        return f"{self.reason} ({self.location})"


def quote(text: str, limit: int = 120) -> str:
    """Return text from a file for one line of a message: printable, short, not misleading."""
    shown = text if len(text) <= limit else f"{text[:limit]}…"
    return shown.encode("unicode_escape").decode("ascii") if not shown.isprintable() else shown


def format_scan(scan: Scan) -> str:
    """Return a scan as one line of JSON."""
    return json.dumps(asdict(scan), ensure_ascii=True, separators=(",", ":"))


def parse_scan(line: str) -> Scan:
    """Parse the output of `format_scan`.

    Raises:
        ValueError: the text differs from the output of `format_scan`.
    """
    try:
        record = json.loads(line)
        findings = tuple(_parse_finding(one) for one in record["findings"])
        unjudged = record["unjudged"]
        weights = tuple(OutsideWeights(one["path"], one["end"]) for one in record["weights"])
        scan = Scan(Format(record["format"]), findings, unjudged, record["size"], weights)
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"not a scan: {type(error).__name__}") from error
    numbers = [scan.size, *(one.end for one in weights)]
    texts = ["" if unjudged is None else unjudged, *(one.path for one in weights)]
    if {type(one) for one in numbers} != {int} or {type(one) for one in texts} != {str}:
        raise ValueError("not a scan: a field has the wrong type")
    if format_scan(scan) != line:
        raise ValueError("not a scan: the line is not in canonical form")
    return scan


def _parse_finding(record: dict[str, Any]) -> ScanFinding:
    """Parse one finding; the caller verifies the types of its fields by formatting it again."""
    place = record["location"]
    location = ScanLocation(tuple(place["inside"]), place["offset"])
    severity = ScanSeverity(record["severity"])
    return ScanFinding(record["rule"], severity, record["message"], location, record["subject"])
