"""The identity: who signed, as far as a verified signature tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from security.signing.bundle import Kind


@dataclass(frozen=True, slots=True)
class Identity:
    """Who signed.

    Attributes:
        name: the key's id; of a certificate: the subject that it was issued to.
        issuer: who vouches: the issuer of a keyless identity, the authority of a chain; empty for
            a key, which vouches for itself.
        claims: what else the certificate says of the run (Fulcio's extensions), by name.
        label: what people call it, from the list of trusted signers.
    """

    kind: Kind
    name: str
    issuer: str = ""
    claims: Mapping[str, str] = field(default_factory=dict)
    label: str = ""

    def __str__(self) -> str:
        """Say who it is, on one line."""
        if self.kind is Kind.KEY:
            shown = f"key {self.name[:16]}"
        else:
            shown = f"{self.name}, vouched for by {self.issuer}"
        return f"{self.label} ({shown})" if self.label else shown
