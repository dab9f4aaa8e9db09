"""Signing settings: ``[tool.ml-assets.signing]``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from security.content.setting import Checked, setting


class Method(Enum):
    """The signing methods."""

    KEY = "key"
    KEYLESS = "keyless"
    CERTIFICATE = "certificate"
    PKCS11 = "pkcs11"


@dataclass(frozen=True)
class SigningSettings(Checked):
    """The signer of statements and models, and the place of the statements."""

    method: Method = setting(
        Method.KEY,
        "What signs: your own key, a CI job's identity, a key with certificates, or a key in a"
        " PKCS#11 token.",
        example='"keyless"',
    )
    ledger: str | None = setting(
        None,
        "Directory or URL (any that fsspec reads) for the signed statements.",
        unset="`.ml-assets/state/ledger`",
        example='"s3://bucket/ledger"',
    )
    project: str | None = setting(
        None,
        "Name of the project in its statements, which count for this project only.",
        unset="the hash of the first commit, and the address of `origin`",
        pattern=r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}",
        expected="letters, digits, and . _ / -",
        example='"acme/churn"',
    )
    sigstore: str | None = setting(
        None,
        "With `keyless`: client trust configuration of a private Sigstore, a path in the project.",
        unset="the public Sigstore",
        example='".ml-assets/sigstore.json"',
    )
    certificates: str | None = setting(
        None,
        "With `certificate`: the certificate chain as PEM, the signer's own certificate first.",
        example='"release-chain.pem"',
    )
    key: str | None = setting(
        None,
        "With `certificate`: the private key as PEM, outside the project, mode 0600.",
        example='"/home/ci/release.key"',
    )
    uri: str | None = setting(
        None,
        "With `pkcs11`: the key's URI (RFC 7512), without a PIN.",
        example='"pkcs11:token=signing;object=release"',
    )
    module: str | None = setting(
        None,
        "With `pkcs11`: absolute path of the token's shared library.",
        example='"/usr/lib/softhsm/libsofthsm2.so"',
    )
    denied: tuple[str, ...] = setting(
        (),
        "More paths that no stage or gate process may access, such as a token's files.",
        example='["/var/lib/softhsm/tokens"]',
    )

    def fault(self) -> tuple[str, str] | None:
        """Require the keys that the method needs."""
        needed = {
            Method.CERTIFICATE: {"certificates": self.certificates, "key": self.key},
            Method.PKCS11: {"uri": self.uri},
        }.get(self.method, {})
        for name, value in needed.items():
            if value is None:
                return name, f"a value, required with method {self.method.value}"
        return None
