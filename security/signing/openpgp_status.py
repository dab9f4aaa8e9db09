"""The OpenPGP status: GnuPG's machine-readable report about a signature.

Specification: ``doc/DETAILS`` of GnuPG, *Format of the --status-fd output*.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from security.content.printable import printable
from security.signing.public_key import SignatureError

_PREFIX = "[GNUPG:] "
#: The keywords that do not refuse a signature. Every other keyword does.
_NEUTRAL = frozenset(
    "NEWSIG KEY_CONSIDERED SIG_ID GOODSIG VALIDSIG TRUST_UNDEFINED TRUST_MARGINAL TRUST_FULLY"
    " TRUST_ULTIMATE VERIFICATION_COMPLIANCE_MODE PROGRESS".split()
)
#: The reason for a refusal, the most specific one first.
_REASONS = {
    "BADSIG": "signature of other bytes",
    "REVKEYSIG": "the key is revoked",
    "EXPKEYSIG": "the key has expired",
    "EXPSIG": "the signature has expired",
    "NO_PUBKEY": "key not trusted",
    "NODATA": "not an OpenPGP signature",
}
#: SHA-256, SHA-384, SHA-512, SHA3-256 and SHA3-512 (RFC 9580 section 9.5).
_HASHES = frozenset(("8", "9", "10", "12", "14"))
_FINGERPRINT = re.compile(r"[0-9A-F]{40}|[0-9A-F]{64}")
_HINT = "check .ml-assets/committers of the protected branch"


def read_signer(status: bytes) -> str:
    """Read the signer. The steps, each with the attack that it stops:

    1. No keyword refuses it: not expired, not revoked, no unknown line.
    2. Exactly one good and valid signature: of two, the other could be the good one.
    3. It signs a binary document (class 00) with a strong hash.

    Returns:
        The key's user id and the fingerprint of its primary key.

    Raises:
        SignatureError: a step finds something else.
    """
    lines = status.decode("utf-8", "replace").splitlines()
    words = [line.removeprefix(_PREFIX).split(" ") for line in lines]
    said = [one[0] for one in words]
    if not all(line.startswith(_PREFIX) for line in lines) or not _NEUTRAL.issuperset(said):  # 1
        reasons = [reason for word, reason in _REASONS.items() if word in said]
        strange = sorted({printable(word, 40) for word in said} - _NEUTRAL)
        raise SignatureError((reasons or [f"gpg reports {', '.join(strange[:4])}"])[0], _HINT)
    if any(said.count(one) != 1 for one in ("NEWSIG", "GOODSIG", "VALIDSIG")):  # 2
        raise SignatureError("not exactly one good OpenPGP signature", _HINT)
    good, valid = words[said.index("GOODSIG")], words[said.index("VALIDSIG")]
    if len(valid) != 11 or not _FINGERPRINT.fullmatch(valid[10]):
        raise SignatureError("no key in the report of gpg", _HINT)
    if valid[9] != "00" or valid[8] not in _HASHES:  # 3
        raise SignatureError(
            f"weak hash or text signature: hash {printable(valid[8])}",
            "sign it again: gpg --digest-algo SHA512",
        )
    return f"{printable(unquote(' '.join(good[2:])))} (OpenPGP {valid[10]})"
