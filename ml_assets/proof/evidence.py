"""The evidence: an artifact with every statement that its verification used, for other tools.

The directory can be verified on a machine without this program: the bundles are Sigstore's, the
model signature is OpenSSF Model Signing's, the bills are CycloneDX, the keys PEM.
"""

from __future__ import annotations

import json
import posixpath
import shlex
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ml_assets.project.protection import POLICY
from ml_assets.project.rules import TRUST, Rules
from ml_assets.proof.lineage.picture import draw
from ml_assets.proof.package_impact import PREDICATE as BILL
from security.policy.policy import builtin_policy_text
from security.signing.bundle import BundleKind
from security.signing.model_signature import PREDICATE as MODEL_SIGNATURE
from security.signing.model_signature import root_digests
from security.signing.signature import Verified
from security.statements.provenance import Role
from security.statements.statement import identify
from security.verify.verification import Verification
from security.verify.verification_subject import VerificationSubject
from security.verify.verification_summary import PREDICATE as SUMMARY
from security.verify.verification_summary import parse_summary
from security.verify.verified_statements import VerifiedStatements

#: The word for each type of statement in its file's name.
_NAMES = {
    "https://model_signing/signature/v1.0": "model-signature",
    "https://slsa.dev/provenance/v1": "provenance",
    "https://slsa.dev/verification_summary/v1": "decision",
    "urn:ml-assets:gate-result:v1": "gate-result",
    "urn:ml-assets:directory-listing:v1": "listing",
    BILL: "bill",
}


@dataclass(frozen=True)
class Evidence:
    """A verified subject with the statements, keys and rules of its verification."""

    rules: Rules
    statements: VerifiedStatements
    subject: VerificationSubject
    found: Verification
    environment: str

    def write(self, artifact: Path, output: Path) -> list[str]:
        """Write the evidence into a new directory; return the relative paths of its files.

        Args:
            artifact: the subject's file or directory.

        Raises:
            OSError: it cannot be written.
        """
        output.mkdir(parents=True)
        name = posixpath.basename(self.subject.subject.name)
        target = output / "artifact" / name
        target.parent.mkdir()
        if artifact.is_dir():
            shutil.copytree(artifact, target)
        else:
            shutil.copyfile(artifact, target)
        for place, content in self._files(name).items():
            (output / place).parent.mkdir(parents=True, exist_ok=True)
            (output / place).write_bytes(content)
        files = (path for path in output.rglob("*") if path.is_file())
        return sorted(path.relative_to(output).as_posix() for path in files)

    def _files(self, name: str) -> dict[str, bytes]:
        """Return everything but the artifact, by path."""
        statements = self._collect()
        document = {"environment": self.environment, **self.found.to_json()}
        root = identify(self.subject.subject.digest)
        return {
            **_bundles(statements),
            **_rules(self.rules),
            **_keys(self.statements, statements),
            "verification.json": json.dumps(document, indent=2).encode() + b"\n",
            "lineage.svg": draw(self.found.lineage, root).encode(),
            "README.md": _read_me(name, self.found, statements, self.environment).encode(),
        }

    def _collect(self) -> list[Verified]:
        """Return the verified statements about the artifact, its lineage and its gates."""
        statements, lineage = self.statements, self.found.lineage
        digest = identify(self.subject.subject.digest)
        about = [*statements.about(digest, SUMMARY), *statements.about(digest, BILL)]
        if self.subject.tree is not None:
            for root in root_digests(self.subject.tree.files):
                about += statements.about(root, MODEL_SIGNATURE)
        for origin in lineage.origins.values():
            for part in origin.provenance.of_role(Role.LOCK, Role.INTERPRETER):
                about += statements.about(identify(part.digest), BILL)[:1]
        wanted = {edge.statement for edge in lineage.edges.values()}
        wanted |= {one.verified.bundle.sha256 for one in lineage.origins.values()}
        wanted |= {one.bundle.sha256 for one in about}
        for one in about:
            if one.statement.predicate_type == SUMMARY:
                wanted |= set(parse_summary(one.statement).grounds)
        return [found for one in sorted(wanted) if (found := statements.find(one)) is not None]


def _bundles(statements: Iterable[Verified]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for one in statements:
        kind = _NAMES.get(one.statement.predicate_type, "statement")
        digest = one.bundle.sha256[:16]
        files[f"bundles/{kind}-{digest}.sigstore.json"] = one.bundle.content
        if kind == "bill":
            text = json.dumps(one.statement.predicate, indent=2).encode()
            files[f"bills/{digest}.cdx.json"] = text
    return files


def _rules(rules: Rules) -> dict[str, bytes]:
    policy = rules.protection.read(POLICY).get(POLICY, builtin_policy_text())
    trust = {f"trust/{posixpath.relpath(k, TRUST)}": text for k, text in rules.trust_files.items()}
    return {"policy.toml": policy, **trust}


def _keys(statements: VerifiedStatements, used: Iterable[Verified]) -> Mapping[str, bytes]:
    names = {one.identity.name for one in used if one.identity.kind is BundleKind.KEY}
    keys = {name: statements.trust.find_key(name) for name in sorted(names)}
    return {f"keys/{name[:16]}.pem": key.key_pem for name, key in keys.items()}


def _read_me(name: str, found: Verification, statements: list[Verified], environment: str) -> str:
    signature = next(
        (one for one in statements if one.statement.predicate_type == MODEL_SIGNATURE), None
    )
    steps = "\n".join(
        f"{number}. **{step.name}**: {step.verdict.value}: {step.detail}"
        for number, step in enumerate(found.steps, 1)
    )
    digests = "\n".join(f"- {kind}: `{value}`" for kind, value in found.subject.digest.items())
    place = shlex.quote(f"artifact/{name}")
    return f"""# Evidence: {name}

{digests}

`ml-assets verify --environment {environment}`: **{found.verdict.value}** ({found.level})

{steps}

This is the claim of the program that wrote the directory. Check it yourself, without that program.

## Bytes

```console
$ sha256sum {_list_files(place) if "dirHash" in found.subject.digest else place}
```

{_describe_signature(place, signature)}
## Statements

`bundles/` holds {len(statements)} Sigstore bundles (v0.3), each an in-toto statement in a DSSE
envelope. The `hint` of a bundle that was signed with a key is the sha256 of a PEM file in `keys/`.
Get the keys from a source that you trust and compare them: the author of this directory could have
written any key into `keys/`.
`@sigstore/verify` of npm verifies the bundles. To verify one with OpenSSL and Python:

```console
$ python3 - bundles/FILE <<'EOF'
import base64, json, sys
envelope = json.load(open(sys.argv[1]))["dsseEnvelope"]
kind, payload = envelope["payloadType"].encode(), base64.b64decode(envelope["payload"])
open("message", "wb").write(b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload))
open("signature", "wb").write(base64.b64decode(envelope["signatures"][0]["sig"]))
print(payload.decode())
EOF
$ openssl dgst -sha256 -verify keys/KEY.pem -signature signature message
```

- `provenance-*`: the run of a stage, with its outs and inputs (SLSA v1.0). Follow the digests in
  `resolvedDependencies` from one provenance to the next; `lineage.svg` draws them.
- `gate-result-*`, `decision-*`: the findings of each gate, and the policy's decision.
- `bill-*`, and as plain CycloneDX in `bills/`: the parts of the environment and of the model.

`policy.toml` and `trust/` are the policy and the list of trusted signers of this verification.
"""


def _list_files(place: str) -> str:
    """Return a command that lists a directory, in bash; ``dirHash`` is the sha256 of this list."""
    files = r"find . -type f -printf '%P\n' | LC_ALL=C sort"
    return rf"<(cd {place} && {files} | xargs -d '\n' sha256sum)"


def _describe_signature(place: str, signature: Verified | None) -> str:
    if signature is None:
        return "The artifact has no model signature.\n"
    bundle = f"bundles/model-signature-{signature.bundle.sha256[:16]}.sigstore.json"
    if signature.identity.kind is not BundleKind.KEY:
        return f"The model signature is `{bundle}`, by {signature.identity}.\n"
    key = f"keys/{signature.identity.name[:16]}.pem"
    return f"""## Model signature (OpenSSF Model Signing v1.0)

```console
$ pip install model-signing pyOpenSSL
$ model_signing verify key {place} --signature {bundle} \\
    --public_key {key}
```
"""
