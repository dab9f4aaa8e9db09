// Verify a bundle with @sigstore/verify, which shares no code with what wrote it.
//
//     node verify.mjs key BUNDLE PUBLIC_KEY_PEM
//     node verify.mjs keyless BUNDLE TRUSTED_ROOT IDENTITY ISSUER
//
// Prints the payload's bytes in base64. Exit code 1: it does not verify; 2: wrong usage.

import { createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { bundleFromJSON } from "@sigstore/bundle";
import { TrustedRoot } from "@sigstore/protobuf-specs";
import { toSignedEntity, toTrustMaterial, Verifier } from "@sigstore/verify";

const [kind, bundleFile, trustFile, identity, issuer] = process.argv.slice(2);
const bundle = bundleFromJSON(JSON.parse(readFileSync(bundleFile, "utf8")));

// Identities are patterns there: this one matches itself only.
const exactly = (text) => `^${text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}$`;

function verifyKey() {
  const key = createPublicKey(readFileSync(trustFile, "utf8"));
  const rawBytes = key.export({ format: "der", type: "spki" });
  const nothing = TrustedRoot.fromJSON({});
  const { hint } = bundle.verificationMaterial.content.publicKey;
  const trust = toTrustMaterial(nothing, { [hint]: { rawBytes } });
  const options = { tlogThreshold: 0, ctlogThreshold: 0, timestampThreshold: 0 };
  new Verifier(trust, options).verify(toSignedEntity(bundle));
}

function verifyKeyless() {
  const root = TrustedRoot.fromJSON(JSON.parse(readFileSync(trustFile, "utf8")));
  const policy = { subjectAlternativeName: exactly(identity), extensions: { issuer } };
  new Verifier(toTrustMaterial(root)).verify(toSignedEntity(bundle), policy);
}

const ways = { key: verifyKey, keyless: verifyKeyless };
if (!(kind in ways)) {
  process.exit(2);
}
try {
  ways[kind]();
} catch (error) {
  console.error(`${error.name} ${error.code}: ${error.message}`);
  process.exit(1);
}
console.log(bundle.content.dsseEnvelope.payload.toString("base64"));
