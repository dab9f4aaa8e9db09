"""Signing settings: ``[tool.ml-assets.signing]``: who signs, and where the statements lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ml_assets.project.settings.table import Table, wrong


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


def parse_signing_settings(table: Mapping[str, Any], where: str) -> SigningSettings:
    """Parse the table.

    Raises:
        ConfigurationError: a setting is unknown, of another type, or missing for the method.
    """
    reader = Table(table, where)
    settings = SigningSettings(
        method=reader.choice("method", Method.KEY),
        ledger=reader.text("ledger"),
        sigstore=reader.text("sigstore"),
        certificates=reader.text("certificates"),
        key=reader.text("key"),
        uri=reader.text("uri"),
        module=reader.text("module"),
        denied=reader.texts("denied"),
    )
    reader.refuse_unknown()
    needed = {
        Method.CERTIFICATE: {"certificates": settings.certificates, "key": settings.key},
        Method.PKCS11: {"uri": settings.uri},
    }.get(settings.method, {})
    for name, value in needed.items():
        if value is None:
            raise wrong(where, name, f"given, since method is {settings.method.value}")
    return settings
