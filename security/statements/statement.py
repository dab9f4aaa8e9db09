"""The statement: a claim about subjects with digests, as opaque bytes.

Specification: in-toto Attestation Framework v1, *Statement* and *DigestSet*. The bytes are written
once, and then stored, signed and verified as they are, never serialised again.
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

#: The algorithms that identify a subject, with the digest's length in hexadecimal digits.
#: ``dirHash`` is the digest of a directory (``security.content.digest.digest_tree``).
STRONG = {"sha256": 64, "sha512": 128, "dirHash": 64, "gitCommit": 40, "gitTree": 40}
_HEX = re.compile(r"[0-9a-f]+")
_FIELDS = ("_type", "subject", "predicateType", "predicate")
_SUBJECT_FIELDS = ("name", "digest")


class StatementError(SecurityError):
    """Bytes are not a valid statement."""

    kind = "statement"


@dataclass(frozen=True, slots=True)
class Subject:
    """The subject of a statement.

    Attributes:
        digest: lower-case hex by algorithm; at least one of ``STRONG``.
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
        payload: its bytes, which are signed.
        predicate: its content as plain values, in the form of its type.
    """

    payload: bytes
    subjects: tuple[Subject, ...]
    predicate_type: str
    predicate: Mapping[str, Any]

    def speaks_of(self, identifier: str) -> bool:
        """Return whether a subject has this digest (``identify``)."""
        return any(identifier in list_identifiers(one.digest) for one in self.subjects)


def identify(digests: Mapping[str, str]) -> str:
    """Return the identifying digest of a set.

    A directory's has the prefix ``dirHash:``. Its listing is a text, and a file with this text has
    the same digits as its sha256, so the digits alone would confuse the two.
    """
    return list_identifiers(digests)[0]


def list_identifiers(digests: Mapping[str, str]) -> list[str]:
    """Return all identifying digests of a set, as ``identify`` does."""
    return [
        f"{name}:{digests[name]}" if name == "dirHash" else digests[name]
        for name in STRONG
        if isinstance(digests.get(name), str)
    ]


def write_statement(
    subjects: Iterable[Subject], predicate_type: str, predicate: Mapping[str, Any]
) -> Statement:
    """Write a statement that ``parse_statement`` accepts.

    Raises:
        StatementError: it would be invalid.
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

    1. Strict JSON (``security.content.document``): two readers could see two statements.
    2. Exactly four fields, and the type of this version: an unknown field would go unread.
    3. At least one subject, each with a name and digests only: a subject could be matched by a
       field that identifies nothing (``uri``, ``content``).
    4. Each digest set has an identifying digest, and all are well formed: an empty set, or an md5
       alone, could be moved to other bytes.
    5. No name twice: the verified subject could differ from the used one.
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
        return Statement(payload, subjects, body.text_of("predicateType"), predicate)
    except ValueError as error:
        raise StatementError(
            f"not a statement: {error}", "check its source, and create it again"
        ) from error


def _parse_subjects(field: Field) -> tuple[Subject, ...]:
    found: dict[str, Subject] = {}
    for one in field.items():
        one.only(_SUBJECT_FIELDS)
        subject = Subject(one.text_of("name"), parse_digests(one, "digest"))
        if found.setdefault(subject.name, subject) is not subject:
            raise one.wrong("duplicate subject")
    if not found:
        raise field.wrong("no subject")
    return tuple(found.values())


def parse_digests(owner: Field, key: str) -> dict[str, str]:
    """Parse a digest set, in which at least one digest identifies its subject.

    Raises:
        ValueError: it is empty or malformed, or no digest identifies.
    """
    digests = owner.loose(key)
    if not isinstance(digests, dict):
        raise owner.get(key).unlike("an object")
    for algorithm, digest in digests.items():
        if not isinstance(digest, str) or not _HEX.fullmatch(digest):
            raise owner.get(key).get(algorithm).unlike("a digest in lower-case hexadecimal")
        if len(digest) != STRONG.get(algorithm, len(digest)):
            raise owner.get(key).get(algorithm).wrong(f"wrong digest length: {len(digest)}")
    if STRONG.keys().isdisjoint(digests):
        raise owner.get(key).wrong("no identifying digest")
    return digests
