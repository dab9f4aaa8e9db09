"""The time stamp authority: says when it has seen the digest of something.

Specification: RFC 3161 section 2.4, in CMS (RFC 5652) with the attribute of RFC 5816.
"""

from __future__ import annotations

import datetime
import hashlib
import secrets

from asn1crypto import cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.private_sigstore.authority import make_root, make_subordinate
from tests.private_sigstore.behaviour import Behaviour

_POLICY = "1.3.6.1.4.1.57264.2"


class TimestampAuthority:
    """The authority with its certificates."""

    def __init__(self) -> None:
        self.root = make_root("time stamp root")
        self.signer = make_subordinate(
            "time stamp authority", self.root, ExtendedKeyUsageOID.TIME_STAMPING, issues=False
        )

    def stamp(self, query: bytes, behaviour: Behaviour) -> bytes:
        """Answer a query (TimeStampReq) with a time stamp (TimeStampResp)."""
        asked = tsp.TimeStampReq.load(query)
        now = datetime.datetime.now(datetime.UTC) + behaviour.stamp_clock
        info = {
            "version": "v1",
            "policy": _POLICY,
            "message_imprint": asked["message_imprint"],
            "serial_number": int.from_bytes(secrets.token_bytes(8), "big"),
            "gen_time": now.replace(microsecond=0),
        }
        if asked["nonce"].native is not None:
            info["nonce"] = asked["nonce"].native
        signed = self._sign(tsp.TSTInfo(info).dump(), now)
        token = cms.ContentInfo({"content_type": "signed_data", "content": signed})
        answer = {"status": {"status": "granted"}, "time_stamp_token": token}
        return bytes(tsp.TimeStampResp(answer).dump())

    def _sign(self, info: bytes, now: datetime.datetime) -> cms.SignedData:
        certificate = asn1_x509.Certificate.load(self.signer.der)
        attributes = self._attributes(info, now)
        signer = {
            "version": "v1",
            "sid": cms.SignerIdentifier(
                "issuer_and_serial_number",
                {"issuer": certificate.issuer, "serial_number": certificate.serial_number},
            ),
            "digest_algorithm": {"algorithm": "sha256"},
            "signed_attrs": attributes,
            "signature_algorithm": {"algorithm": "sha256_ecdsa"},
            "signature": self.signer.key.sign(attributes.dump()),
        }
        content = {"content_type": "tst_info", "content": core.ParsableOctetString(info)}
        return cms.SignedData(
            {
                "version": "v3",
                "digest_algorithms": [{"algorithm": "sha256"}],
                "encap_content_info": content,
                "certificates": [certificate],
                "signer_infos": [signer],
            }
        )

    def _attributes(self, info: bytes, now: datetime.datetime) -> cms.CMSAttributes:
        used = {
            "hash_algorithm": {"algorithm": "sha256"},
            "cert_hash": hashlib.sha256(self.signer.der).digest(),
        }
        values = {
            "content_type": "tst_info",
            "message_digest": hashlib.sha256(info).digest(),
            "signing_time": cms.Time({"utc_time": core.UTCTime(now)}),
            "signing_certificate_v2": tsp.SigningCertificateV2({"certs": [used]}),
        }
        return cms.CMSAttributes([{"type": name, "values": [one]} for name, one in values.items()])
