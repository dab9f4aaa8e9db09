"""The verification summary: the policy's decision about outs, with the statements behind it.

Specification: SLSA v1.0 *Verification Summary Attestation*. It has no result for "could not check",
so a run that could not check writes no summary.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from security.content.field import Field
from security.errors import SecurityError
from security.statements.statement import Statement, Subject, write_statement
from security.verify.slsa_level import SlsaLevel

PREDICATE = "https://slsa.dev/verification_summary/v1"
_FIELDS = (
    "verifier",
    "timeVerified",
    "resourceUri",
    "policy",
    "inputAttestations",
    "verificationResult",
    "verifiedLevels",
    "slsaVersion",
)
_POLICY = "urn:ml-assets:policy:"
_VERIFIER = "urn:ml-assets:verifier"


class SummaryError(SecurityError):
    """A statement is not one of our summaries."""

    kind = "summary"


@dataclass(frozen=True, slots=True)
class Summary:
    """A decision about outs.

    Attributes:
        environment: the policy environment of the decision.
        policy: sha256 of the policy's text.
        commit: the protected branch's commit that the policy was read at; None for the working
            tree, and in summaries of earlier versions.
        grounds: ledger digests of the gate results behind the decision.
        version: the version of ml-assets that decided.
        project: the names of the outs' project; none in summaries of earlier versions.
    """

    outs: tuple[Subject, ...]
    environment: str
    policy: str
    passed: bool
    grounds: tuple[str, ...]
    at: datetime.datetime
    version: str
    commit: str | None = None
    project: tuple[str, ...] = ()


def write_summary(summary: Summary, levels: Sequence[SlsaLevel]) -> Statement:
    """Write a summary.

    Args:
        levels: the outs' levels from ``find_level``; the lowest one is stated.

    Raises:
        StatementError: it has no outs.
    """
    lowest = min((one.level for one in levels), default=0)
    predicate = {
        "verifier": {"id": _VERIFIER, "version": {"ml-assets": summary.version}},
        "timeVerified": summary.at.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "resourceUri": _POLICY + summary.environment,
        "policy": {
            "uri": _POLICY + summary.environment,
            "digest": _identify_policy(summary),
        },
        "inputAttestations": [{"digest": {"sha256": one}} for one in summary.grounds],
        "verificationResult": "PASSED" if summary.passed else "FAILED",
        "verifiedLevels": [f"SLSA_BUILD_LEVEL_{lowest}"],
        "slsaVersion": "1.0",
        **({"project": list(summary.project)} if summary.project else {}),
    }
    return write_statement(summary.outs, PREDICATE, predicate)


def _identify_policy(summary: Summary) -> dict[str, str]:
    digest = {"sha256": summary.policy}
    return {**digest, "gitCommit": summary.commit} if summary.commit is not None else digest


def parse_summary(statement: Statement) -> Summary:
    """Read a summary. Its stated level is ignored: levels are computed.

    Raises:
        SummaryError: it is not one of our summaries.
    """
    try:
        return _build(statement)
    except (ValueError, TypeError) as error:
        raise SummaryError(f"not a summary: {error}", "run it again: ml-assets run") from error


def is_ours(statement: Statement) -> bool:
    """Whether a summary claims to be one of ours: a signer may sign those of other programs."""
    verifier = statement.predicate.get("verifier")
    return isinstance(verifier, dict) and verifier.get("id") == _VERIFIER


def _build(statement: Statement) -> Summary:
    if statement.predicate_type != PREDICATE:
        raise ValueError("another statement type")
    body = Field(statement.predicate).only(_FIELDS, ("project",))
    verifier = body.get("verifier").only(("id", "version"))
    policy = body.get("policy").only(("uri", "digest"))
    digest = policy.get("digest").only(("sha256",), ("gitCommit",))
    if verifier.get("id").value != _VERIFIER or not policy.get("uri").text().startswith(_POLICY):
        raise verifier.wrong("another verifier")
    return Summary(
        outs=statement.subjects,
        environment=policy.get("uri").text().removeprefix(_POLICY),
        policy=digest.get("sha256").text(),
        passed=body.get("verificationResult").one_of("PASSED", "FAILED") == "PASSED",
        grounds=tuple(
            _sha256(one.only(("digest",))) for one in body.get("inputAttestations").items()
        ),
        at=datetime.datetime.fromisoformat(body.get("timeVerified").text()),
        version=verifier.get("version").only(("ml-assets",)).get("ml-assets").text(),
        commit=digest.get("gitCommit").optional_text(),
        project=body.get("project").texts(),
    )


def _sha256(field: Field) -> str:
    return field.get("digest").only(("sha256",)).get("sha256").text()
