"""The lock record: the lock files that a run of a branch has left, as a statement.

The predicate is our own (``urn:ml-assets:lock-record:v1``; ``docs/reference/statements.md``). Its
subjects are the files, by their paths from the root of Git.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass

from security.content.field import Field
from security.errors import SecurityError
from security.statements.provenance import parse_time, write_time
from security.statements.statement import Statement, Subject, write_statement

PREDICATE = "urn:ml-assets:lock-record:v1"
_FIELDS = ("repository", "branch", "commit", "invocationId", "recordedOn")


class LockRecordError(SecurityError):
    """A record of lock files has no valid statement, or has other files than it."""

    kind = "lock-record"
    exit_code = 1


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """A recorded file.

    Attributes:
        sha256: of its bytes.
        blob: its hash in Git.
    """

    sha256: str
    blob: str


@dataclass(frozen=True, slots=True)
class LockRecord:
    """What a run has recorded.

    Attributes:
        files: by path.
        repository: host and path of the repository, without credentials.
        commit: the full hash of the commit that the run was at.
        invocation: the run's id.
    """

    files: Mapping[str, RecordedFile]
    repository: str
    branch: str
    commit: str
    invocation: str
    recorded: datetime.datetime


def write_lock_record(record: LockRecord) -> Statement:
    """Write a record as a statement.

    Raises:
        StatementError: it has no files, or a malformed digest.
    """
    subjects = [
        Subject(path, {"sha256": one.sha256, "gitBlob": one.blob})
        for path, one in sorted(record.files.items())
    ]
    predicate = {
        "repository": record.repository,
        "branch": record.branch,
        "commit": record.commit,
        "invocationId": record.invocation,
        "recordedOn": write_time(record.recorded),
    }
    return write_statement(subjects, PREDICATE, predicate)


def parse_lock_record(statement: Statement) -> LockRecord:
    """Read a record. The steps, each with the attack that it stops:

    1. Our predicate type: a statement of another type could pass for a record.
    2. Exactly the fields that we write: an unknown field would go unread.
    3. Writing it again gives the same bytes.

    Raises:
        LockRecordError: a step finds something else.
    """
    try:
        if statement.predicate_type != PREDICATE:  # 1
            raise ValueError(f"another statement type: {statement.predicate_type[:100]}")
        body = Field(statement.predicate).only(_FIELDS)  # 2
        found = LockRecord(
            {
                one.name: RecordedFile(one.digest["sha256"], one.digest["gitBlob"])
                for one in statement.subjects
            },
            body.text_of("repository"),
            body.text_of("branch"),
            body.text_of("commit"),
            body.text_of("invocationId"),
            parse_time(body.get("recordedOn")),
        )
        if write_lock_record(found).payload != statement.payload:  # 3
            raise ValueError("it is not in our form")
    except (KeyError, ValueError, SecurityError) as error:
        raise LockRecordError(
            f"not a record of lock files: {error}", "let the branch run again"
        ) from error
    return found
