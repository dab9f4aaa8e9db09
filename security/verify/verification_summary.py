"""The verification summary: what a policy has decided about some outs, on what grounds.

Specification: SLSA v1.0 *Verification Summary Attestation*. There is no word in it for "could not
judge": of that no summary is made, and who needs one finds none.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from security.content.strict_json import fields, text
from security.errors import SecurityError
from security.statements.statement import Statement, Subject, write_statement
from security.verify.slsa_level import SlsaLevel

PREDICATE = "https://slsa.dev/verification_summary/v1"
_POLICY = "urn:ml-assets:policy:"
_VERIFIER = "urn:ml-assets:verifier"


class SummaryError(SecurityError):
    """A statement is not a summary of ours."""

    kind = "summary"


@dataclass(frozen=True, slots=True)
class Summary:
    """A decision about outs.

    Attributes:
        environment: the policy's name of what they were judged for.
        policy: sha256 of its text.
        grounds: digests of the statements that were verified for it, in the ledger.
        version: of the program that decided.
    """

    outs: tuple[Subject, ...]
    environment: str
    policy: str
    passed: bool
    grounds: tuple[str, ...]
    at: datetime.datetime
    version: str


def write_summary(summary: Summary, levels: Sequence[SlsaLevel]) -> Statement:
    """Write a summary.

    Args:
        levels: of the outs, as ``find_level`` found them; the lowest is what holds for all.

    Raises:
        StatementError: it is about nothing.
    """
    lowest = min((one.level for one in levels), default=0)
    predicate = {
        "verifier": {"id": _VERIFIER, "version": {"ml-assets": summary.version}},
        "timeVerified": summary.at.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "resourceUri": _POLICY + summary.environment,
        "policy": {
            "uri": _POLICY + summary.environment,
            "digest": {"sha256": summary.policy},
        },
        "inputAttestations": [{"digest": {"sha256": one}} for one in summary.grounds],
        "verificationResult": "PASSED" if summary.passed else "FAILED",
        "verifiedLevels": [f"SLSA_BUILD_LEVEL_{lowest}"],
        "slsaVersion": "1.0",
    }
    return write_statement(summary.outs, PREDICATE, predicate)


def parse_summary(statement: Statement) -> Summary:
    """Read a summary; the level that it states is left alone, since levels are computed.

    Raises:
        SummaryError: it is not one of ours.
    """
    try:
        return _build(statement)
    except (ValueError, TypeError) as error:
        raise SummaryError(f"not a summary: {error}", "judge again: ml-assets run") from error


def _build(statement: Statement) -> Summary:
    if statement.predicate_type != PREDICATE:
        raise ValueError("a statement of another type")
    body = fields(
        statement.predicate,
        (
            "verifier",
            "timeVerified",
            "resourceUri",
            "policy",
            "inputAttestations",
            "verificationResult",
            "verifiedLevels",
            "slsaVersion",
        ),
    )
    verifier = fields(body["verifier"], ("id", "version"))
    policy = fields(body["policy"], ("uri", "digest"))
    if verifier["id"] != _VERIFIER or not text(policy["uri"]).startswith(_POLICY):
        raise ValueError("another verifier's")
    if body["verificationResult"] not in ("PASSED", "FAILED"):
        raise ValueError("a result that is none")
    return Summary(
        outs=statement.subjects,
        environment=policy["uri"].removeprefix(_POLICY),
        policy=text(fields(policy["digest"], ("sha256",))["sha256"]),
        passed=body["verificationResult"] == "PASSED",
        grounds=tuple(_digest(one) for one in body["inputAttestations"]),
        at=datetime.datetime.fromisoformat(text(body["timeVerified"])),
        version=text(fields(verifier["version"], ("ml-assets",))["ml-assets"]),
    )


def _digest(value: Any) -> str:
    return text(fields(fields(value, ("digest",))["digest"], ("sha256",))["sha256"])
