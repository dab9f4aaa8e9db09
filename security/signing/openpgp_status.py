"""The OpenPGP status: what GnuPG tells programs about a signature that it has looked at.

Specification: ``doc/DETAILS`` of GnuPG, *Format of the --status-fd output*.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from security.content.printable import printable
from security.signing.public_key import SignatureError

_PREFIX = "[GNUPG:] "
#: What says nothing against a signature. Anything else does, known or not.
_NEUTRAL = frozenset(
    "NEWSIG KEY_CONSIDERED SIG_ID GOODSIG VALIDSIG TRUST_UNDEFINED TRUST_MARGINAL TRUST_FULLY"
    " TRUST_ULTIMATE VERIFICATION_COMPLIANCE_MODE PROGRESS".split()
)
#: What is told of the rest, the most telling one first.
_REASONS = {
    "BADSIG": "not the signature of this commit",
    "REVKEYSIG": "the key is revoked",
    "EXPKEYSIG": "the key has expired",
    "EXPSIG": "the signature has expired",
    "NO_PUBKEY": "of a key that nobody trusts",
    "NODATA": "no OpenPGP signature",
}
#: SHA-256, SHA-384, SHA-512, SHA3-256 and SHA3-512 (RFC 9580 section 9.5).
_HASHES = frozenset(("8", "9", "10", "12", "14"))
_FINGERPRINT = re.compile(r"[0-9A-F]{40}|[0-9A-F]{64}")
_HINT = "look at .ml-assets/committers of the protected branch"


def read_signer(status: bytes) -> str:
    """Read whose the signature is. The steps, each with the attack that it stops:

    1. Nothing speaks against it: not expired, not revoked, no line that is not known.
    2. There is one signature, good and valid: of two, the other could be the good one.
    3. It is of bytes as they are (class 00), and with a hash that nobody forges.

    Returns:
        The user id of the key and the fingerprint of its primary key.

    Raises:
        SignatureError: a step finds something else.
    """
    lines = status.decode("utf-8", "replace").splitlines()
    words = [line.removeprefix(_PREFIX).split(" ") for line in lines]
    said = [one[0] for one in words]
    if not all(line.startswith(_PREFIX) for line in lines) or not _NEUTRAL.issuperset(said):  # 1
        reasons = [reason for word, reason in _REASONS.items() if word in said]
        strange = sorted({printable(word, 40) for word in said} - _NEUTRAL)
        raise SignatureError((reasons or [f"gpg says {', '.join(strange[:4])}"])[0], _HINT)
    if any(said.count(one) != 1 for one in ("NEWSIG", "GOODSIG", "VALIDSIG")):  # 2
        raise SignatureError("not exactly one good OpenPGP signature", _HINT)
    good, valid = words[said.index("GOODSIG")], words[said.index("VALIDSIG")]
    if len(valid) != 11 or not _FINGERPRINT.fullmatch(valid[10]):
        raise SignatureError("gpg tells no key", _HINT)
    if valid[9] != "00" or valid[8] not in _HASHES:  # 3
        raise SignatureError(
            f"signed with a weak hash or as text: hash {printable(valid[8])}",
            "sign it again: gpg --digest-algo SHA512",
        )
    return f"{printable(unquote(' '.join(good[2:])))} (OpenPGP {valid[10]})"
