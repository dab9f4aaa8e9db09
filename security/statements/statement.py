"""The statement: a claim about things that are named by their digests, as opaque bytes.

Specification: in-toto Attestation Framework v1, *Statement* and *DigestSet*. The bytes are written
once and from then on stored, signed and verified as they are, never serialised again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from security.content.document import parse_json, write_json
from security.content.field import Field
from security.errors import SecurityError

TYPE = "https://in-toto.io/Statement/v1"

#: Length in hexadecimal digits of the digests that identify a subject. ``dirHash`` is that of a
#: directory (``security.content.digest.digest_tree``).
STRONG = {"sha256": 64, "sha512": 128, "dirHash": 64, "gitCommit": 40, "gitTree": 40}
_HEX = re.compile(r"[0-9a-f]+")
_FIELDS = ("_type", "subject", "predicateType", "predicate")
_SUBJECT_FIELDS = ("name", "digest")


class StatementError(SecurityError):
    """Bytes that should be a statement are not one that can be relied on."""

    kind = "statement"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a statement is about.

    Attributes:
        digest: by algorithm, lower-case hex; at least one that identifies it.
    """

    name: str
    digest: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {"name": self.name, "digest": dict(self.digest)}


@dataclass(frozen=True, slots=True)
class Statement:
    """A claim.

    Attributes:
        payload: its bytes, which are what is signed.
        predicate: what it says, as plain values; its type says how to read them.
    """

    payload: bytes
    subjects: tuple[Subject, ...]
    predicate_type: str
    predicate: Mapping[str, Any]

    def speaks_of(self, algorithm: str, digest: str) -> bool:
        """Whether something with this digest is among its subjects."""
        return any(subject.digest.get(algorithm) == digest for subject in self.subjects)


def write_statement(
    subjects: Iterable[Subject], predicate_type: str, predicate: Mapping[str, Any]
) -> Statement:
    """Write a statement; what ``parse_statement`` refuses is never written.

    Raises:
        StatementError: nobody could rely on it.
    """
    payload = write_json(
        {
            "_type": TYPE,
            "subject": [subject.to_json() for subject in subjects],
            "predicateType": predicate_type,
            "predicate": dict(predicate),
        }
    )
    return parse_statement(payload)


def parse_statement(payload: bytes) -> Statement:
    """Read a statement. The steps, each with the attack that it stops:

    1. Strict JSON (``security.content.document``): two readers must not see two statements.
    2. Just the four fields, and the type of this version: nothing is said where nobody looks.
    3. At least one subject, each with just a name and digests: a claim about nothing convinces
       nobody, and a subject is not found by what is no digest (``uri``, ``content``).
    4. Each digest set has one that identifies, and all are well formed: an empty set, or an md5
       alone, could be put under other bytes.
    5. No name twice: what is verified under a name is what is used under it.
    6. The predicate has a type, and is an object.

    Raises:
        StatementError: a step finds something else.
    """
    try:
        body = Field(parse_json(payload)).only(_FIELDS)  # 1, 2
        if body.get("_type").value != TYPE:
            raise body.get("_type").unlike(TYPE)
        subjects = _parse_subjects(body.get("subject"))  # 3, 4, 5
        predicate = body.get("predicate").mapping()  # 6
        return Statement(payload, subjects, body.get("predicateType").text(), predicate)
    except ValueError as error:
        raise StatementError(
            f"not a statement: {error}", "look who made it, and make it again"
        ) from error


def _parse_subjects(field: Field) -> tuple[Subject, ...]:
    found: dict[str, Subject] = {}
    for one in field.items():
        one.only(_SUBJECT_FIELDS)
        subject = Subject(one.get("name").text(), parse_digests(one.get("digest")))
        if found.setdefault(subject.name, subject) is not subject:
            raise one.wrong("duplicate subject")
    if not found:
        raise field.wrong("no subject")
    return tuple(found.values())


def parse_digests(field: Field) -> dict[str, str]:
    """Parse a digest set, in which at least one digest identifies its subject.

    Raises:
        ValueError: it is empty or malformed, or no digest identifies.
    """
    digests = field.mapping()
    for algorithm, digest in digests.items():
        if not isinstance(digest, str) or not _HEX.fullmatch(digest):
            raise field.get(algorithm).unlike("a digest in lower-case hexadecimal")
        if len(digest) != STRONG.get(algorithm, len(digest)):
            raise field.get(algorithm).wrong(f"digest of another length: {len(digest)}")
    if STRONG.keys().isdisjoint(digests):
        raise field.wrong("no digest that identifies the subject")
    return digests
