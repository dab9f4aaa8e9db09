"""Signing settings: ``[tool.ml-assets.signing]``: who signs, and where the statements lie."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from security.content.table import Table


class Method(Enum):
    """What signs."""

    KEY = "key"
    KEYLESS = "keyless"
    CERTIFICATE = "certificate"
    PKCS11 = "pkcs11"


@dataclass(frozen=True)
class SigningSettings:
    """How statements are signed.

    Attributes:
        ledger: where they lie: a URL that fsspec knows, or a path; None: in the local state.
        sigstore: the client trust configuration of a private Sigstore, relative to the project.
        certificates: of method ``certificate``: the chain, PEM, the signer's own first.
        key: of method ``certificate``: its private key, PEM, outside of the project.
        uri: of method ``pkcs11``: the key in a token (RFC 7512), without a PIN.
        module: of method ``pkcs11``: the token's shared library, absolute.
        denied: what else no process of a stage or gate may reach, such as a token's files.
    """

    method: Method = Method.KEY
    ledger: str | None = None
    sigstore: str | None = None
    certificates: str | None = None
    key: str | None = None
    uri: str | None = None
    module: str | None = None
    denied: tuple[str, ...] = ()


def parse_signing_settings(table: Table) -> SigningSettings:
    """Parse the table.

    Raises:
        ConfigurationError: a setting is unknown, of another type, or missing for the method.
    """
    settings = SigningSettings(
        method=table.choice("method", Method.KEY),
        ledger=table.text("ledger"),
        sigstore=table.text("sigstore"),
        certificates=table.text("certificates"),
        key=table.text("key"),
        uri=table.text("uri"),
        module=table.text("module"),
        denied=table.texts("denied"),
    )
    table.refuse_unknown()
    needed = {
        Method.CERTIFICATE: {"certificates": settings.certificates, "key": settings.key},
        Method.PKCS11: {"uri": settings.uri},
    }.get(settings.method, {})
    for name, value in needed.items():
        if value is None:
            missing = f"missing, since method is {settings.method.value}"
            raise table.error(name, missing, f"add {name} to it")
    return settings
