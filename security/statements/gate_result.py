"""The result of a gate: its report, bound to the digests of subject and tool, as a statement.

The statement's bytes are opaque once they are written: sealed, stored and signed as they are, and
never serialised again. Reading refuses all other forms.

Specification: in-toto Attestation Framework, Statement v1 (``_type``, ``subject``,
``predicateType``, ``predicate``). The predicate is our own, because in-toto's ``test-result/v0.1``
has no result for "could not check"; ``docs/reference/gates.md`` describes it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from security.content.document import parse_json, write_json
from security.errors import SecurityError
from security.finding import parse_finding
from security.gates.interface import Report, Tool

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:ml-assets:gate-result:v1"

_SHA256 = re.compile(r"[0-9a-f]{64}")
_HINT = "check it again: ml-assets check"


class ResultError(SecurityError):
    """Bytes are not a valid gate result."""

    kind = "result"


@dataclass(frozen=True, slots=True)
class Binding:
    """The digests that a result is bound to. It says nothing about other digests.

    Attributes:
        gate: the gate's name.
        subject: ``source``, or the location of an out.
        sha256: the out's digest, or the digest of the listing of files that the gate reads.
        inputs: digests of other inputs of the gate, by name.
        tool: the tool, with its configuration.
    """

    gate: str
    subject: str
    sha256: str
    inputs: Mapping[str, str]
    tool: Tool

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "gate": self.gate,
            "subject": self.subject,
            "sha256": self.sha256,
            "inputs": dict(sorted(self.inputs.items())),
            "tool": {
                "name": self.tool.name,
                "version": self.tool.version,
                "configuration": dict(self.tool.configuration),
            },
        }

    @property
    def key(self) -> str:
        """Return the digest of the binding, which is the name of the stored result."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode("ascii")).hexdigest()


@dataclass(frozen=True, slots=True)
class GateResult:
    """A bound report.

    Attributes:
        judged_at: the time of the check (RFC 3339, UTC).
        seconds: the duration of the check.
    """

    binding: Binding
    report: Report
    judged_at: str
    seconds: float


def write_result(result: GateResult) -> bytes:
    """Write a result as a statement."""
    report = result.report
    body = {
        "_type": STATEMENT,
        "subject": [{"name": result.binding.subject, "digest": {"sha256": result.binding.sha256}}],
        "predicateType": PREDICATE,
        "predicate": {
            "binding": result.binding.to_json(),
            "report": {
                "findings": [finding.to_json() for finding in report.findings],
                "judged": report.judged,
                "unjudged": report.unjudged,
                "facts": dict(report.facts),
            },
            "judged_at": result.judged_at,
            "seconds": result.seconds,
        },
    }
    return write_json(body)


def parse_result(statement: bytes) -> GateResult:
    """Read a result. The steps, each with the attack that it stops:

    1. One JSON object, no key twice: two readers could see two results.
    2. Our statement and predicate types: another statement could pass for a result.
    3. Exactly one subject, with the binding's sha256: a result could be shown for another subject.
    4. Writing it again gives the same bytes: an unknown field would go unread.

    Raises:
        ResultError: a step finds something else.
    """
    try:
        body = parse_json(statement)  # 1
        result = _build(body)  # 2
        (subject,) = body["subject"]  # 3
        named = {"name": result.binding.subject, "digest": {"sha256": result.binding.sha256}}
        if subject != named or not _SHA256.fullmatch(result.binding.sha256):
            raise ValueError("its subject is not the checked one")
        if write_result(result) != statement:  # 4
            raise ValueError("it is not in our form")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ResultError(f"not a gate result: {type(error).__name__}: {error}", _HINT) from error
    return result


def _build(body: dict[str, Any]) -> GateResult:
    if body["_type"] != STATEMENT or body["predicateType"] != PREDICATE:
        raise ValueError("another statement type")
    predicate = body["predicate"]
    bound, said = predicate["binding"], predicate["report"]
    binding = Binding(
        gate=_text(bound["gate"]),
        subject=_text(bound["subject"]),
        sha256=_text(bound["sha256"]),
        inputs={_text(name): _text(value) for name, value in bound["inputs"].items()},
        tool=Tool(
            _text(bound["tool"]["name"]),
            _text(bound["tool"]["version"]),
            bound["tool"]["configuration"],
        ),
    )
    report = Report(
        findings=tuple(parse_finding(finding) for finding in said["findings"]),
        judged=said["judged"],
        unjudged=said["unjudged"] if said["unjudged"] is None else _text(said["unjudged"]),
        facts=said["facts"],
    )
    if type(report.judged) is not int or report.judged < 0:
        raise ValueError("not a number of checked files")
    return GateResult(binding, report, _text(predicate["judged_at"]), float(predicate["seconds"]))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value
