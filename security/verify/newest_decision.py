"""The newest decision about a digest, and whether a newer one cannot be used.

An older decision must not count in place of a newer one that somebody has damaged, replaced or
deleted: the newer one may be unfavourable.
"""

from __future__ import annotations

from datetime import datetime

from security.errors import SecurityError
from security.verify import verification_summary
from security.verify.verification_summary import Summary, is_ours, parse_summary
from security.verify.verified_statements import VerifiedStatements


class DecisionError(SecurityError):
    """A newer decision about a subject may exist, and cannot be used."""

    kind = "decision"


def find_decision(statements: VerifiedStatements, digest: str, environment: str) -> Summary | None:
    """Find the newest trusted decision about a digest for an environment.

    1. Decisions of other projects and environments do not count.
    2. A decision that is refused or unreadable, and not older, is an error.
    3. So is any unreadable statement whose subject is unknown.
    4. So is a newer decision that this machine has seen and the ledger has lost, of any
       environment.

    Raises:
        DecisionError: as in steps 2 to 4.
    """
    trusted: list[Summary] = []
    refused: list[tuple[str, Summary | None]] = []
    for one in statements.index.about(digest, verification_summary.PREDICATE):
        summary, reason = _read(statements, one, digest)
        if summary is not None and summary.environment != environment:  # 1
            continue
        if reason is not None:
            refused.append((reason, summary))
        elif summary is not None and statements.is_ours(summary.project):
            trusted.append(summary)
    newest = max(trusted, key=lambda one: one.at, default=None)
    if newest is None:
        return None
    for reason, summary in refused:  # 2
        if summary is None or summary.at > newest.at:
            raise _unusable(reason)
    for name in sorted(statements.index.damaged):  # 3
        raise _unusable(f"statement unreadable: {name[:16]}")
    for name, time in statements.index.missing_about(digest, verification_summary.PREDICATE):  # 4
        if time is None or datetime.fromisoformat(time) > newest.at:
            raise _unusable(f"statement missing from the ledger: {name[:16]}")
    return newest


def _read(
    statements: VerifiedStatements, name: str, digest: str
) -> tuple[Summary | None, str | None]:
    """Read a decision; return what it says, and the reason why it is not trusted, if any."""
    verified = statements.find(name)
    reason = statements.refused.get(name)
    try:
        statement = verified.statement if verified else statements.ledger.load(name).statement
        summary = parse_summary(statement)
    except SecurityError as error:
        if verified is not None and not is_ours(verified.statement):
            return None, None
        return None, reason or error.message
    if not statement.speaks_of(digest):
        return None, None
    return summary, reason


def _unusable(reason: str) -> DecisionError:
    return DecisionError(
        f"a newer decision may exist: {reason}",
        "restore the statement from a copy of the ledger, or decide again: ml-assets run --force",
    )
