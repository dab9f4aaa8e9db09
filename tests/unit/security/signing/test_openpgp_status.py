"""Reading what GnuPG says of a signature: one good one and nothing else."""

import pytest

from security.signing.openpgp_status import read_signer
from security.signing.public_key import SignatureError

KEY = "A" * 40
GOOD = f"GOODSIG {KEY[:16]} Alice %28work%29 <alice@example.com>"
VALID = f"VALIDSIG {'B' * 40} 2026-11-24 1795525035 0 4 0 22 8 00 {KEY}"
LINES = ["NEWSIG", f"KEY_CONSIDERED {KEY} 0", "SIG_ID abc 2026-11-24 1", GOOD, VALID]


def status(*lines: str) -> bytes:
    return "".join(f"[GNUPG:] {line}\n" for line in lines).encode()


def test_owner_and_primary_key_of_a_good_signature_are_told() -> None:
    found = read_signer(status(*LINES, "TRUST_ULTIMATE 0 always"))
    assert found == f"Alice (work) <alice@example.com> (OpenPGP {KEY})"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (f"BADSIG {KEY} Alice", "signature of other bytes"),
        (f"EXPKEYSIG {KEY} Alice", "the key has expired"),
        (f"REVKEYSIG {KEY} Alice", "the key is revoked"),
        (f"EXPSIG {KEY} Alice", "the signature has expired"),
        (f"NO_PUBKEY {KEY}", "key not trusted"),
        ("TRUST_NEVER", "gpg reports TRUST_NEVER"),
        ("PLAINTEXT 62 0", "gpg reports PLAINTEXT"),
        ("NEVER_HEARD_OF", "gpg reports NEVER_HEARD_OF"),
        ("NEWSIG", "not exactly one"),
        (GOOD, "not exactly one"),
        (VALID, "not exactly one"),
    ],
)
def test_good_signature_counts_for_nothing_beside_anything_else(line: str, why: str) -> None:
    for lines in ([*LINES, line], [line, *LINES]):
        with pytest.raises(SignatureError, match=why):
            read_signer(status(*lines))


@pytest.mark.parametrize("left_out", ["NEWSIG", "GOODSIG", "VALIDSIG"])
def test_half_of_a_good_signature_is_none(left_out: str) -> None:
    with pytest.raises(SignatureError, match="not exactly one good"):
        read_signer(status(*(line for line in LINES if not line.startswith(left_out))))


@pytest.mark.parametrize(
    ("valid", "why"),
    [
        (VALID.replace(" 8 00 ", " 2 00 "), "weak hash"),
        (VALID.replace(" 8 00 ", " 8 01 "), "text signature"),
        (VALID.removesuffix(f" {KEY}"), "no key in the report"),
        (VALID.replace(KEY, "alice"), "no key in the report"),
    ],
)
def test_valid_signature_of_another_kind_is_refused(valid: str, why: str) -> None:
    with pytest.raises(SignatureError, match=why):
        read_signer(status(*LINES[:-1], valid))


@pytest.mark.parametrize("output", [b"", b"GOODSIG 1 Alice\n", status(*LINES) + b"Good\n"])
def test_output_that_is_no_status_is_refused(output: bytes) -> None:
    with pytest.raises(SignatureError):
        read_signer(output)
