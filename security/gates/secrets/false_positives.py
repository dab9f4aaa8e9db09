"""False positives: hits of guessing detectors that are not secrets.

Two detectors guess: one by a name such as ``password``, one by the randomness of a string. Only
their hits, and templates of credentials in URLs, can be false positives. A hit with the exact form
of an AWS key, a token or a private key never is.

detect-secrets has its own rules for this. Some of them hide too much and are not used: whole files
by suffix or name (``.lock``, ``package-lock.json``, ``swagger``), every line with a function call,
and everything after a word that ends in ``_id``.
"""

from __future__ import annotations

import re
from enum import Enum

from detect_secrets.filters.heuristic import is_sequential_string

from security.gates.secrets.credential_files import NAMES, is_placeholder
from security.gates.secrets.detectors import Hit

_ENTROPY = frozenset({"HexHighEntropyString", "Base64HighEntropyString"})
_TEMPLATED = frozenset(
    {*_ENTROPY, *NAMES, "KeywordDetector", "BasicAuthDetector", "DvcRemoteDetector"}
)
_TEMPLATE = re.compile(r"\$.*|<.*>|\{.*\}|%\(.*\)s|%[sdr]|\.{3,}|\*+|x{3,}", re.IGNORECASE | re.S)
_NOTHING = re.compile(r"(?:none|null|true|false|undefined|nil|yes|no|~|-?[\d.]{1,5})\W*", re.I)
_REFERENCE = re.compile(r"[\w.:-]+[(\[].*", re.S)
_PIN = re.compile(r"[=~<>!]=[ \t]*$")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

#: Hex digits of a digest, by the name of the value.
_LENGTHS = {"md5": 32, "etag": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96}
_LENGTHS |= {"sha512": 128, "rev": 40, "lock": 40, "commit": 40, "revision": 40}
_ANY_LENGTH = frozenset({"digest", "hash", "checksum", "sha"})
_HEX = re.compile(r"[0-9a-f]+")
_NAME = re.compile(r"([A-Za-z0-9_.-]+)[\"']?[ \t]*[:=]{1,2}[ \t]*[bB]?[\"']$")
_INTEGRITY = re.compile(r"sha(?:256-[\w+/]{43}=|384-[\w+/]{64}|512-[\w+/]{86}==)", re.ASCII)
_PICTURE = re.compile(r"\"image/(?:png|jpeg|gif)\"\s*:\s*\"?$")
_PICTURE_BYTES = ("iVBORw0KGgo", "/9j/", "R0lGOD")


class FalsePositive(Enum):
    """The reason of a false positive: its form, a digest named as such, or a picture."""

    FORM = "form"
    DIGEST = "digest"
    PICTURE = "picture"


def find_false_positive(hit: Hit) -> FalsePositive | None:
    """Return why a hit is a false positive; None if it may be a secret."""
    if hit.detector in _TEMPLATED and _TEMPLATE.fullmatch(hit.secret):
        return FalsePositive.FORM
    if hit.detector in NAMES and is_placeholder(hit.detector, hit.secret):
        return FalsePositive.FORM
    if hit.detector == "KeywordDetector":
        return FalsePositive.FORM if _is_no_value(hit) else None
    before = hit.text[: max(hit.text.find(hit.secret), 0)]
    if hit.detector == "IPPublicDetector":
        return FalsePositive.FORM if _PIN.search(before) else None
    if hit.detector not in _ENTROPY:
        return None
    if _UUID.fullmatch(hit.secret) or is_sequential_string(hit.secret):
        return FalsePositive.FORM
    if not any(character.isalpha() for character in hit.secret):
        return FalsePositive.FORM
    if _is_digest(hit.secret, before):
        return FalsePositive.DIGEST
    if _PICTURE.search(before) and hit.secret.startswith(_PICTURE_BYTES):
        return FalsePositive.PICTURE
    return None


def _is_no_value(hit: Hit) -> bool:
    """Say whether the value of a name cannot be a secret, such as ``None`` or a call."""
    if _NOTHING.fullmatch(hit.secret) or not any(one.isalnum() for one in hit.secret):
        return True
    return not hit.quoted and _REFERENCE.fullmatch(hit.secret) is not None


def _is_digest(secret: str, before: str) -> bool:
    """Say whether a value has the length that its name implies: ``md5: <32 hex digits>``."""
    if _INTEGRITY.fullmatch(secret):
        return True
    name = _NAME.search(before)
    if name is None or not _HEX.fullmatch(secret):
        return False
    last = re.split(r"[_.-]", name[1].lower())[-1]
    expected = _LENGTHS.get(last)
    return len(secret) == expected or (last in _ANY_LENGTH and len(secret) in _LENGTHS.values())
