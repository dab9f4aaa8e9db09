"""The identity of a signer, from a verified signature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from security.signing.bundle import BundleKind


@dataclass(frozen=True, slots=True)
class Identity:
    """The identity of a signer.

    Attributes:
        name: the key's id, or the subject of the certificate.
        issuer: the issuer of a keyless identity or the authority of a chain; empty for a key.
        claims: the certificate's claims about the run (Fulcio's extensions), by name.
        label: its name in the list of trusted signers.
    """

    kind: BundleKind
    name: str
    issuer: str = ""
    claims: Mapping[str, str] = field(default_factory=dict)
    label: str = ""

    def __str__(self) -> str:
        """Return the identity as one line for people."""
        if self.kind is BundleKind.KEY:
            shown = f"key {self.name[:16]}"
        else:
            shown = f"{self.name}, issued by {self.issuer}"
        return f"{self.label} ({shown})" if self.label else shown
