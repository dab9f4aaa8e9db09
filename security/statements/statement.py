"""The statement: a claim about things that are named by their digests, as opaque bytes.

Specification: in-toto Attestation Framework v1, *Statement* and *DigestSet*. The bytes are written
once and from then on stored, signed and verified as they are, never serialised again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from security.content.strict_json import fields, parse_object, text, write_object
from security.errors import SecurityError

TYPE = "https://in-toto.io/Statement/v1"

#: Length in hexadecimal digits of the digests that identify a subject. ``dirHash`` is that of a
#: directory (``security.content.digest.digest_tree``).
STRONG = {"sha256": 64, "sha512": 128, "dirHash": 64, "gitCommit": 40, "gitTree": 40}
_HEX = re.compile(r"[0-9a-f]+")


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
    payload = write_object(
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

    1. Strict JSON (``security.content.strict_json``): two readers must not see two statements.
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
        body = fields(  # 1, 2
            parse_object(payload), ("_type", "subject", "predicateType", "predicate")
        )
        if body["_type"] != TYPE:
            raise ValueError("another type of statement")
        subjects = _parse_subjects(body["subject"])  # 3, 4, 5
        if not isinstance(body["predicate"], dict):  # 6
            raise ValueError("its predicate is no object")
        return Statement(payload, subjects, text(body["predicateType"]), body["predicate"])
    except ValueError as error:
        raise StatementError(
            f"not a statement: {error}", "look who made it, and make it again"
        ) from error


def _parse_subjects(value: Any) -> tuple[Subject, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError("without a subject")
    found: dict[str, Subject] = {}
    for one in value:
        entry = fields(one, ("name", "digest"))
        subject = Subject(text(entry["name"]), parse_digests(entry["digest"]))
        if found.setdefault(subject.name, subject) is not subject:
            raise ValueError("a subject stands there twice")
    return tuple(found.values())


def parse_digests(value: Any) -> dict[str, str]:
    """Read a digest set of which one identifies.

    Raises:
        ValueError: it is empty or malformed, or nothing in it identifies.
    """
    if not isinstance(value, dict):
        raise ValueError("digests that are none")
    for algorithm, digest in value.items():
        if not isinstance(digest, str) or not _HEX.fullmatch(digest):
            raise ValueError("a digest that is none")
        if len(digest) != STRONG.get(algorithm, len(digest)):
            raise ValueError(f"a digest of another length: {algorithm}")
    if STRONG.keys().isdisjoint(value):
        raise ValueError("without a digest that identifies it")
    return value
