"""The trust configuration: where the private Sigstore's services are, and the keys they use.

Specification: ``sigstore_trustroot.proto`` of protobuf-specs (TrustedRoot, SigningConfig v0.2,
ClientTrustConfig).
"""

from __future__ import annotations

import base64
import datetime
from typing import Any

from tests.private_sigstore.authority import ORGANIZATION, Authority, SigningKey
from tests.private_sigstore.fulcio import Fulcio
from tests.private_sigstore.rekor import Rekor
from tests.private_sigstore.timestamp_authority import TimestampAuthority

STAMP_PATH = "/api/v1/timestamp"
_KIND = "application/vnd.dev.sigstore"
_EARLIER = datetime.timedelta(hours=12)


class TrustConfiguration:
    """What a client is told."""

    def __init__(self, url: str, fulcio: Fulcio, rekor: Rekor, stamps: TimestampAuthority) -> None:
        self._url, self._fulcio, self._rekor, self._stamps = url, fulcio, rekor, stamps
        since = datetime.datetime.now(datetime.UTC) - _EARLIER
        self._valid = {"start": since.strftime("%Y-%m-%dT%H:%M:%SZ")}

    def trusted_root(self) -> dict[str, Any]:
        """Return the keys and certificates that verify offline."""
        fulcio = (self._fulcio.authority, self._fulcio.root)
        stamps = (self._stamps.signer, self._stamps.root)
        return {
            "mediaType": f"{_KIND}.trustedroot+json;version=0.1",
            "tlogs": [self._log(self._rekor.key, self._url)],
            "certificateAuthorities": [self._chain(self._url, *fulcio)],
            "ctlogs": [self._log(self._fulcio.log_key, f"{self._url}/certificates")],
            "timestampAuthorities": [self._chain(f"{self._url}{STAMP_PATH}", *stamps)],
        }

    def client(self, rekor: int, *, stamps: bool | None = None) -> dict[str, Any]:
        """Return the client's configuration.

        Args:
            rekor: the version of its interface: 1 or 2.
            stamps: whether signatures are to be stamped; by default those of version 2.
        """
        stamped = [self._service(f"{self._url}{STAMP_PATH}", 1)]
        signing = {
            "mediaType": f"{_KIND}.signingconfig.v0.2+json",
            "caUrls": [self._service(self._url, 1)],
            "oidcUrls": [self._service(self._url, 1)],
            "rekorTlogUrls": [self._service(self._url, rekor)],
            "tsaUrls": stamped if (rekor == 2 if stamps is None else stamps) else [],
            "rekorTlogConfig": {"selector": "ANY"},
            "tsaConfig": {"selector": "ANY"},
        }
        return {
            "mediaType": f"{_KIND}.clienttrustconfig.v0.1+json",
            "trustedRoot": self.trusted_root(),
            "signingConfig": signing,
        }

    def _log(self, key: SigningKey, url: str) -> dict[str, Any]:
        public = {
            "rawBytes": _base64(key.der),
            "keyDetails": "PKIX_ECDSA_P256_SHA_256",
            "validFor": self._valid,
        }
        return {
            "baseUrl": url,
            "hashAlgorithm": "SHA2_256",
            "publicKey": public,
            "logId": {"keyId": _base64(key.id)},
        }

    def _chain(self, url: str, *authorities: Authority) -> dict[str, Any]:
        certificates = [{"rawBytes": _base64(one.der)} for one in authorities]
        return {
            "subject": {"organization": ORGANIZATION, "commonName": "private sigstore"},
            "uri": url,
            "certChain": {"certificates": certificates},
            "validFor": self._valid,
        }

    def _service(self, url: str, version: int) -> dict[str, Any]:
        return {
            "url": url,
            "majorApiVersion": version,
            "validFor": self._valid,
            "operator": ORGANIZATION,
        }


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
