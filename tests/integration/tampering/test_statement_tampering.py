"""Each field of each statement that a verification needs, changed one at a time, in memory."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from ml_assets.project.project import Project
from ml_assets.project.rules import find_rules
from ml_assets.proof.store import Proofs
from security.ledger.ledger import Ledger
from security.ledger.statement_index import StatementIndex
from security.signing.bundle import Bundle, parse_bundle
from security.signing.trust import Trust
from security.verdict import Verdict
from security.verify.verification import Verification
from security.verify.verification_rules import VerificationRules
from security.verify.verification_subject import VerificationSubject, read_subject
from security.verify.verified_statements import VerifiedStatements
from security.verify.verifier import Verifier
from tests.integration.tampering.statement_changes import (
    change_envelope,
    change_payload,
    with_payload,
    write_otherwise,
)
from tests.integration.tampering.verified_project import VerifiedProject, read_payload
from tests.unit.security.statements.statement_samples import make_signer

PROVENANCE = "slsa.dev/provenance"
SIGNATURE = "model_signing/signature"
DECISION = "verification_summary"
RESULT = "gate-result"
LISTING = "directory-listing"

Change = Callable[[bytes], Iterator[tuple[str, bytes]]]


class MemoryFiles:
    """The storage of a ledger in memory; a changed entry keeps its name."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)

    def names(self) -> Iterator[str]:
        return iter(list(self.files))

    def read(self, name: str) -> bytes:
        if name not in self.files:
            raise FileNotFoundError(2, "no such statement", name)
        return self.files[name]

    def add(self, name: str, content: bytes) -> None:
        self.files[name] = content


class ParsedLedger(Ledger):
    """A ledger that parses the same bytes only once, for all tests."""

    _known: ClassVar[dict[tuple[str, bytes], Bundle]] = {}

    def __init__(self, files: Mapping[str, bytes]) -> None:
        super().__init__(MemoryFiles(files))
        self._content = files

    def load(self, digest: str) -> Bundle:
        key = digest, self._content.get(digest, b"")
        if key not in self._known:
            self._known[key] = super().load(digest)
        return self._known[key]


@dataclass(frozen=True)
class Bench:
    """All that verifications in memory share."""

    files: Mapping[str, bytes]
    trust: Trust
    names: frozenset[str]
    rules: VerificationRules
    subjects: Mapping[str, VerificationSubject]

    def verify(self, files: Mapping[str, bytes], subject: str = "model.pkl") -> Verification:
        ledger = ParsedLedger(files)
        index = StatementIndex(ledger)
        index.refresh()
        statements = VerifiedStatements(ledger, index, self.trust, self.names)
        try:
            return Verifier(statements, self.rules).verify(self.subjects[subject])
        finally:
            index.close()

    def passes(self, files: Mapping[str, bytes], subject: str = "model.pkl") -> bool:
        return self.verify(files, subject).verdict.exit_code == 0

    def replace(self, name: str, content: bytes) -> dict[str, bytes]:
        """Return the ledger with other bytes for a statement, under their own digest."""
        others = {key: one for key, one in self.files.items() if key != name}
        return {**others, hashlib.sha256(content).hexdigest(): content}

    def needed(self, subject: str) -> dict[str, str]:
        """Return the statements that a subject's verification needs, with their kinds."""
        paths = {"model.pkl": ("model.pkl", "data.txt"), "net": ("net", "data.txt")}[subject]
        found: dict[str, str] = {}
        for name, content in self.files.items():
            body = read_payload(content)
            named = {one["name"] for one in body["subject"]}
            kind = body["predicateType"]
            is_about = bool(named & set(paths)) and PROVENANCE in kind
            is_about |= subject in named and any(one in kind for one in (SIGNATURE, DECISION))
            is_about |= bool(named & {subject, "source"}) and RESULT in kind
            if is_about:
                found[name] = kind
        return found


@pytest.fixture(scope="session")
def bench(signed: VerifiedProject) -> Bench:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in signed.repository.environment().items():
            patch.setenv(name, value)
        project = Project(signed.root)
        rules = find_rules(project.root)
        proofs = Proofs(project, rules)
        now = datetime.datetime.now(datetime.UTC)
        subjects = {name: read_subject(signed.root / name, name) for name in ("model.pkl", "net")}
        files = {path.parent.name + path.stem: path.read_bytes() for path, _ in signed.statements()}
        return Bench(
            files,
            proofs.trust,
            proofs.project_names,
            VerificationRules.from_policy(rules.policy, "materialize", now.date(), now),
            subjects,
        )


@pytest.mark.parametrize("subject", ["model.pkl", "net"])
def test_untouched_statements_pass(bench: Bench, subject: str) -> None:
    found = bench.verify(bench.files, subject)
    assert found.verdict is Verdict.PASSED, found.to_json()
    kinds = list(bench.needed(subject).values())
    for kind in (PROVENANCE, SIGNATURE, DECISION, RESULT):
        assert any(kind in one for one in kinds), kinds


@pytest.mark.parametrize("subject", ["model.pkl", "net"])
@pytest.mark.parametrize("change", [change_payload, change_envelope])
def test_each_changed_field_is_refused(bench: Bench, subject: str, change: Change) -> None:
    survivors, tried = [], 0
    for name, kind in bench.needed(subject).items():
        for what, content in change(bench.files[name]):
            tried += 1
            if bench.passes(bench.replace(name, content), subject):
                survivors.append(f"{kind}: {what}")
    assert survivors == []
    assert tried >= (200 if change is change_payload else 40), tried


@pytest.mark.parametrize("subject", ["model.pkl", "net"])
def test_each_missing_exchanged_or_damaged_statement_is_refused(bench: Bench, subject: str) -> None:
    stranger = make_signer()
    needed = bench.needed(subject)
    survivors = []
    for name, kind in needed.items():
        content = bench.files[name]
        payload = parse_bundle(content).envelope.payload
        others = [one for one in needed if one != name]
        other = b"y" if content[-9:-8] == b"x" else b"x"
        cases = {
            "deleted": {key: one for key, one in bench.files.items() if key != name},
            "signed by a stranger": bench.replace(name, stranger.sign(payload).content),
            "empty": {**bench.files, name: b""},
            "truncated": {**bench.files, name: content[: len(content) // 2]},
            "with a changed byte": {**bench.files, name: content[:-9] + other + content[-8:]},
            "another statement under its name": {**bench.files, name: bench.files[others[0]]},
            "with the payload of another": bench.replace(
                name, with_payload(content, parse_bundle(bench.files[others[0]]).envelope.payload)
            ),
        }
        survivors += [
            f"{kind}: {what}" for what, files in cases.items() if bench.passes(files, subject)
        ]
    assert survivors == []


def test_other_text_of_the_same_statement_is_accepted(bench: Bench) -> None:
    """But of gate results, which a decision names by the digest of their text."""
    refused, tried = [], 0
    for name, kind in bench.needed("model.pkl").items():
        if RESULT in kind:
            continue
        for what, content in write_otherwise(bench.files[name]):
            tried += 1
            if not bench.passes(bench.replace(name, content)):
                refused.append(f"{kind}: {what}")
    assert refused == []
    assert tried >= 12


@pytest.mark.parametrize("kind", [PROVENANCE, RESULT, SIGNATURE])
def test_statement_of_a_stranger_beside_the_others_is_harmless(bench: Bench, kind: str) -> None:
    stranger = make_signer()
    for name, one in bench.needed("model.pkl").items():
        if kind in one:
            bundle = stranger.sign(parse_bundle(bench.files[name]).envelope.payload)
            assert bench.passes({**bench.files, bundle.sha256: bundle.content})


# --- the newest decision


def decide(signed: VerifiedProject, bench: Bench, minutes: int, **changes: object) -> bytes:
    """Sign the decision about the model again, at another time."""
    (name,) = [one for one, kind in bench.needed("model.pkl").items() if DECISION in kind]
    body = read_payload(bench.files[name])
    at = datetime.datetime.fromisoformat(body["predicate"]["timeVerified"])
    later = at + datetime.timedelta(minutes=minutes)
    body["predicate"]["timeVerified"] = later.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    body["predicate"].update(changes)
    return signed.sign(body).content


def test_newest_decision_counts_and_its_damage_revives_no_older_one(
    signed: VerifiedProject, bench: Bench
) -> None:
    newest = decide(signed, bench, 5, inputAttestations=[], verificationResult="FAILED")
    name = hashlib.sha256(newest).hexdigest()
    assert not bench.passes({**bench.files, name: newest})
    payload = parse_bundle(newest).envelope.payload
    stranger = make_signer().sign(payload)
    damaged: dict[str, dict[str, bytes]] = {
        "empty": {name: b""},
        "truncated": {name: newest[:-20]},
        "a changed byte": {name: newest.replace(b"A", b"B", 1)},
        "no JSON": {name: b"\x00" * 64},
        "a stranger's": {stranger.sha256: stranger.content},
    }
    for what, content in change_payload(newest):
        if "timeVerified" not in what and "altered subject" not in what and "resource" not in what:
            damaged[what] = {hashlib.sha256(content).hexdigest(): content}
    survivors = [what for what, one in damaged.items() if bench.passes({**bench.files, **one})]
    named = ("predicate", "policy", "subject", "predicateType")
    assert [one for one in survivors if not any(word in one for word in named)] == []


def test_older_refused_decision_is_harmless(signed: VerifiedProject, bench: Bench) -> None:
    older = make_signer().sign(parse_bundle(decide(signed, bench, -5)).envelope.payload)
    assert bench.passes({**bench.files, older.sha256: older.content})


def test_decision_of_another_program_or_environment_is_harmless(
    signed: VerifiedProject, bench: Bench
) -> None:
    foreign = decide(signed, bench, 5, verifier={"id": "https://example.com/other"})
    policy = {"uri": "urn:ml-assets:policy:staging", "digest": {"sha256": "ab" * 32}}
    other = decide(signed, bench, 5, policy=policy, verificationResult="FAILED")
    for one in (foreign, other):
        assert bench.passes({**bench.files, hashlib.sha256(one).hexdigest(): one})


# --- the project


@pytest.mark.parametrize("names", [["git:" + "0" * 40], ["other"], ["remote:host/other"]])
def test_trusted_provenance_and_decision_of_another_project_do_not_count(
    signed: VerifiedProject, bench: Bench, names: list[str]
) -> None:
    for name, kind in bench.needed("model.pkl").items():
        if PROVENANCE not in kind and DECISION not in kind:
            continue
        body = read_payload(bench.files[name])
        inner = body["predicate"]
        if PROVENANCE in kind:
            inner = inner["buildDefinition"]["internalParameters"]
        assert inner["project"]
        inner["project"] = names
        assert not bench.passes(bench.replace(name, signed.sign(body).content)), kind


def test_statements_without_a_project_warn_and_are_refused_outside_of_materialize(
    signed: VerifiedProject, bench: Bench
) -> None:
    files, lenient = dict(bench.files), bench.rules.environment
    for name, kind in bench.needed("model.pkl").items():
        body = read_payload(files[name])
        if PROVENANCE in kind:
            del body["predicate"]["buildDefinition"]["internalParameters"]["project"]
            content = signed.sign(body).content
            files = {key: one for key, one in files.items() if key != name}
            files[hashlib.sha256(content).hexdigest()] = content
    found = bench.verify(files)
    assert found.verdict is Verdict.WARNED, found.to_json()
    assert any("names no project" in one.detail for one in found.steps)
    strict = replace(
        bench, rules=replace(bench.rules, environment=replace(lenient, verified_restores=True))
    )
    assert strict.verify(files).verdict is Verdict.FAILED
    assert strict.passes(bench.files)


# --- restored outs, changed deps, the clock


def test_restored_out_without_its_run_is_not_proven(signed: VerifiedProject, bench: Bench) -> None:
    """A run-cache entry that somebody has written is restored like any other."""
    for subject, location in (("model.pkl", "model.pkl"), ("model.pkl", "data.txt")):
        for name, kind in bench.needed(subject).items():
            body = read_payload(bench.files[name])
            if PROVENANCE not in kind or body["subject"][0]["name"] != location:
                continue
            inner = body["predicate"]["buildDefinition"]["internalParameters"]
            inner["action"] = "restored"
            found = bench.verify(bench.replace(name, signed.sign(body).content), subject)
            said = {one.name: one for one in found.steps}
            step = said["provenance" if location == subject else "inputs"]
            assert step.verdict is Verdict.WARNED
            assert "no trusted statement says which run made it" in step.detail


def test_dep_that_changed_while_its_stage_ran_is_said(
    signed: VerifiedProject, bench: Bench
) -> None:
    for name, kind in bench.needed("model.pkl").items():
        body = read_payload(bench.files[name])
        if PROVENANCE in kind and body["subject"][0]["name"] == "model.pkl":
            inner = body["predicate"]["buildDefinition"]["internalParameters"]
            inner["changed"] = ["data.txt"]
            found = bench.verify(bench.replace(name, signed.sign(body).content))
            (step,) = [one for one in found.steps if one.name == "inputs"]
            assert step.verdict is Verdict.WARNED
            assert "data.txt changed while train ran" in step.detail


@pytest.mark.parametrize(("days", "passes"), [(-1, False), (-3650, False), (0, True), (30, True)])
def test_clock_behind_the_newest_statement_is_refused(
    bench: Bench, days: int, passes: bool
) -> None:
    now = (bench.rules.now or datetime.datetime.now(datetime.UTC)) + datetime.timedelta(days)
    moved = replace(bench, rules=replace(bench.rules, today=now.date(), now=now))
    assert moved.passes(bench.files) is passes


def test_future_statement_of_a_stranger_moves_no_clock(
    signed: VerifiedProject, bench: Bench
) -> None:
    future = parse_bundle(decide(signed, bench, 10**6)).envelope.payload
    body = json.loads(future)
    body["subject"] = [{"name": "other", "digest": {"sha256": "0" * 64}}]
    bundle = make_signer().sign(json.dumps(body).encode())
    assert bench.passes({**bench.files, bundle.sha256: bundle.content})
