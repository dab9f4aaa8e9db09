"""The purposes of signatures: the predicate types that a signer can be trusted for."""

from __future__ import annotations

from enum import Enum


class Purpose(Enum):
    """The purpose of a signed statement."""

    MODEL_SIGNATURE = "model-signature"
    PROVENANCE = "provenance"
    GATE_RESULT = "gate-result"
    SUMMARY = "verification-summary"
    BILL = "bill-of-materials"
    REBUILD = "rebuild"


#: A bill of materials (CycloneDX).
BILL = "https://cyclonedx.org/bom"
#: The known predicate types, with their purposes.
PREDICATES = {
    "https://model_signing/signature/v1.0": Purpose.MODEL_SIGNATURE,
    "https://slsa.dev/provenance/v1": Purpose.PROVENANCE,
    "urn:ml-assets:gate-result:v1": Purpose.GATE_RESULT,
    "https://in-toto.io/attestation/test-result/v0.1": Purpose.GATE_RESULT,
    "https://in-toto.io/attestation/vulns/v0.2": Purpose.GATE_RESULT,
    "https://slsa.dev/verification_summary/v1": Purpose.SUMMARY,
    BILL: Purpose.BILL,
    "urn:ml-assets:directory-listing:v1": Purpose.PROVENANCE,
    "urn:ml-assets:rebuild:v1": Purpose.REBUILD,
    # Signers of provenance may also sign which outs a run has recorded.
    "urn:ml-assets:lock-record:v1": Purpose.PROVENANCE,
}
