"""Seals: prove that this user stored a value, and not a stage.

A seal is HMAC-SHA256 (RFC 2104) under a key that is derived from the user's secret for one purpose.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence

#: Returns the seal of each message, valid for a purpose only.
Seal = Callable[[str, Sequence[bytes]], list[bytes]]


def seal_with(secret: bytes) -> Seal:
    """Return the seals of a secret."""

    def seal(purpose: str, messages: Sequence[bytes]) -> list[bytes]:
        key = hmac.digest(secret, purpose.encode(), "sha256")
        return [hmac.digest(key, message, "sha256") for message in messages]

    return seal
