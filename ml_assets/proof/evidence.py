"""The evidence: an artifact with every statement that it was verified by, for other people's tools.

What lies in the directory can be verified on a machine without this program: the bundles are
Sigstore's, the model signature is OpenSSF Model Signing's, the bills are CycloneDX, the keys PEM.
"""

from __future__ import annotations

import json
import posixpath
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from ml_assets.project.project import Project
from ml_assets.project.protection import POLICY, find_protection
from ml_assets.proof.lineage.picture import draw
from ml_assets.proof.package_impact import PREDICATE as BILL
from ml_assets.proof.subject import Asked
from ml_assets.proof.trust import DIRECTORY
from ml_assets.proof.verify import document
from security.policy.policy import builtin_policy_text
from security.signing.bundle import Kind
from security.signing.model_signature import PREDICATE as MODEL_SIGNATURE
from security.signing.model_signature import root_digests
from security.signing.signature import Verified
from security.statements.provenance import Role
from security.verify.lineage import identify
from security.verify.verification_summary import PREDICATE as SUMMARY
from security.verify.verification_summary import parse_summary
from security.verify.verified_statements import Records
from security.verify.verifier import Verification

#: What is shown of a statement in its file's name, by the end of its type.
_NAMES = {
    "https://model_signing/signature/v1.0": "model-signature",
    "https://slsa.dev/provenance/v1": "provenance",
    "https://slsa.dev/verification_summary/v1": "decision",
    "urn:ml-assets:gate-result:v1": "gate-result",
    "urn:ml-assets:directory-listing:v1": "listing",
    BILL: "bill",
}


def write_evidence(
    project: Project,
    records: Records,
    asked: Asked,
    path: Path,
    found: Verification,
    environment: str,
    output: Path,
) -> list[str]:
    """Write it into a new directory; return the files, relative to it.

    Args:
        path: where the artifact lies.

    Raises:
        OSError: it cannot be written.
    """
    output.mkdir(parents=True)
    name = posixpath.basename(asked.subject.name)
    target = output / "artifact" / name
    target.parent.mkdir()
    if path.is_dir():
        shutil.copytree(path, target)
    else:
        shutil.copyfile(path, target)
    statements = _collect(records, asked, found)
    for place, content in _bundles(statements.values()).items():
        _write(output / place, content)
    for place, content in _rules(project).items():
        _write(output / place, content)
    for key, pem in _keys(records, statements.values()).items():
        _write(output / "keys" / f"{key[:16]}.pem", pem)
    verification = {"environment": environment, **document(found)}
    _write(output / "verification.json", json.dumps(verification, indent=2).encode() + b"\n")
    _write(
        output / "lineage.svg", draw(found.lineage, identify(asked.subject.digest)).encode("utf-8")
    )
    _write(output / "README.md", _read_me(name, asked, found, statements.values(), environment))
    return sorted(
        path.relative_to(output).as_posix() for path in output.rglob("*") if path.is_file()
    )


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _collect(records: Records, asked: Asked, found: Verification) -> dict[str, Verified]:
    """Return the verified statements that anything about the artifact follows from."""
    digest = identify(asked.subject.digest)
    wanted = {edge.statement for edge in found.lineage.edges.values()}
    wanted |= {one.verified.bundle.sha256 for one in found.lineage.origins.values()}
    about = [*records.about(digest, SUMMARY), *records.about(digest, BILL)]
    if asked.tree is not None:
        for root in root_digests(asked.tree.files):
            about += records.about(root, MODEL_SIGNATURE)
    for origin in found.lineage.origins.values():
        for part in origin.provenance.of_role(Role.LOCK, Role.INTERPRETER):
            about += records.about(identify(part.digest), BILL)[:1]
    wanted |= {one.bundle.sha256 for one in about}
    for one in about:
        if one.statement.predicate_type == SUMMARY:
            wanted |= set(parse_summary(one.statement).grounds)
    statements = {one: records.find(one) for one in sorted(wanted)}
    return {digest: one for digest, one in statements.items() if one is not None}


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


def _rules(project: Project) -> dict[str, bytes]:
    protection = find_protection(project.root)
    paths = [path for path in protection.paths if path.startswith(f"{DIRECTORY}/")]
    found = protection.read(POLICY, *paths)
    policy = found.pop(POLICY, builtin_policy_text())
    return {"policy.toml": policy, **{f"trust/{Path(p).name}": text for p, text in found.items()}}


def _keys(records: Records, statements: Iterable[Verified]) -> Mapping[str, bytes]:
    used = {one.identity.name for one in statements if one.identity.kind is Kind.KEY}
    return {key: records.trust.find_key(key).key_pem for key in sorted(used)}


def _read_me(
    name: str,
    asked: Asked,
    found: Verification,
    statements: Iterable[Verified],
    environment: str,
) -> bytes:
    listed = list(statements)
    signature = next(
        (one for one in listed if one.statement.predicate_type == MODEL_SIGNATURE), None
    )
    steps = "\n".join(
        f"{number}. **{step.name}**: {step.verdict.value}: {step.detail}"
        for number, step in enumerate(found.steps, 1)
    )
    digests = "\n".join(f"- {kind}: `{value}`" for kind, value in asked.subject.digest.items())
    text = f"""# Evidence: {name}

{digests}

What `ml-assets verify --environment {environment}` came to: **{found.verdict.value}**
(SLSA Build L{found.level.level}; higher not because of: {found.level.cap}).

{steps}

That is what its maker says. Check it yourself, without this program:

## The bytes

```console
$ sha256sum artifact/{name}
```

{_say_signature(name, signature)}
## The statements

`bundles/` holds {len(listed)} Sigstore bundles (v0.3), each an in-toto statement in a DSSE
envelope. A bundle that was signed with a key names it as its `hint`: the sha256 of the PEM in
`keys/`. Get the keys from somebody you trust, and compare: whoever wrote this directory wrote
`keys/` too.
`@sigstore/verify` of npm verifies the bundles. With nothing but OpenSSL and Python, one of them:

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

- `provenance-*`: which run of which stage made what, from which inputs (SLSA v1.0). Follow the
  digests in `resolvedDependencies` from one to the next; `lineage.svg` draws the way.
- `gate-result-*`, `decision-*`: what was judged, by what, and what the policy made of it.
- `bill-*`, and as plain CycloneDX in `bills/`: what the environment and the model consist of.

`policy.toml` and `trust/` are the rules and the list of signers that it was verified by.
"""
    return text.encode("utf-8")


def _say_signature(name: str, signature: Verified | None) -> str:
    if signature is None:
        return "There is no model signature.\n"
    bundle = f"bundles/model-signature-{signature.bundle.sha256[:16]}.sigstore.json"
    if signature.identity.kind is not Kind.KEY:
        return f"The model signature is `{bundle}`, by {signature.identity}.\n"
    key = f"keys/{signature.identity.name[:16]}.pem"
    return f"""## The model signature (OpenSSF Model Signing v1.0)

```console
$ pip install model-signing pyOpenSSL
$ model_signing verify key artifact/{name} --signature {bundle} \\
    --public_key {key}
```
"""
