"""The verifier: each step fails, or is an error, without its proof."""

import datetime
import json
from pathlib import Path

import pytest

from security.finding import Finding, Severity
from security.gates.interface import Report, Tool
from security.policy.policy import builtin_policy
from security.policy.waiver import Waiver
from security.statements.gate_result import Binding, GateResult, write_result
from security.statements.provenance import Conditions, Material, Role
from security.statements.statement import Subject, parse_statement
from security.verdict import Verdict
from security.verify.slsa_level import find_level
from security.verify.verification import Verification
from security.verify.verification_rules import VerificationRules
from security.verify.verification_subject import VerificationSubject
from security.verify.verification_summary import Summary, parse_summary, write_summary
from security.verify.verifier import Verifier
from tests.unit.security.statements.statement_samples import NOON, Book, data, make_signer, run, sha

MODEL = Subject("model", {"sha256": sha("model")})
TOOL = Tool("scanner", "1", {})
BAD = Finding("pickle-import", "runs os.system", Severity.CRITICAL)


@pytest.fixture
def book(tmp_path: Path) -> Book:
    book = Book(tmp_path)
    book.add(run("model", data("raw")))
    return book


def judge(
    book: Book,
    gate: str = "model-file",
    subject: str = "model",
    sha256: str = sha("model"),
    report: Report = Report((), 1),
    signer: object = None,
) -> str:
    binding = Binding(gate, subject, sha256, {}, TOOL)
    statement = write_result(GateResult(binding, report, NOON.isoformat(), 1.0))
    bundle = (signer or book.signer).sign(statement)  # type: ignore[attr-defined]
    return book.ledger.append(bundle)


def decide(
    book: Book,
    *grounds: str,
    environment: str = "materialize",
    passed: bool = True,
    signer: object = None,
    subject: Subject = MODEL,
    at: datetime.datetime = NOON,
) -> None:
    summary = Summary((subject,), environment, "ab" * 32, passed, grounds, at, "0.1")
    statement = write_summary(summary, [find_level(None, None)])
    bundle = (signer or book.signer).sign(statement.payload)  # type: ignore[attr-defined]
    book.ledger.append(bundle)


def rules(environment: str = "materialize", *waivers: Waiver) -> VerificationRules:
    policy = builtin_policy()
    return VerificationRules(policy.environment(environment), policy.sha256, waivers, NOON.date())


def verify(book: Book, by: VerificationRules | None = None) -> dict[str, tuple[Verdict, str]]:
    subject = VerificationSubject(MODEL, is_model=True)
    found = Verifier(book.statements(), by or rules()).verify(subject)
    return {step.name: (step.verdict, step.detail) for step in found.steps}


def gates(book: Book, by: VerificationRules | None = None) -> tuple[Verdict, str]:
    return verify(book, by)["gates"]


def test_model_with_all_proofs_passes(book: Book) -> None:
    decide(book, judge(book))
    steps = verify(book)
    assert steps.pop("bytes")[0] is Verdict.WARNED  # a digest alone
    assert list(steps) == ["provenance", "inputs", "commit", "gates"]
    assert {verdict for verdict, _ in steps.values()} == {Verdict.PASSED}


def test_bytes_of_which_nobody_speaks_are_refused(tmp_path: Path) -> None:
    steps = verify(Book(tmp_path))
    assert steps["provenance"][0] is Verdict.FAILED


def test_verification_without_steps_is_an_error() -> None:
    assert Verification(MODEL).verdict is Verdict.ERROR


def test_provenance_of_a_stranger_is_refused_with_the_reason(tmp_path: Path) -> None:
    book = Book(tmp_path)
    book.add(run("model"), make_signer())
    verdict, detail = verify(book)["provenance"]
    assert verdict is Verdict.FAILED
    assert "not trusted" in detail


def test_damaged_provenance_refuses(book: Book) -> None:
    (digest,) = book.ledger.digests()
    path = book.directory / digest[:2] / f"{digest[2:]}.json"
    path.write_bytes(path.read_bytes().replace(b"e", b"f", 1))
    assert verify(book)["provenance"][0] is Verdict.FAILED


def test_unproven_input_refuses(tmp_path: Path) -> None:
    book = Book(tmp_path)
    book.add(run("model", Material("x", {"sha256": sha("x")}, Role.OUT)))
    verdict, detail = verify(book)["inputs"]
    assert verdict is Verdict.FAILED
    assert "x: no trusted provenance" in detail


def test_uncommitted_code_warns(tmp_path: Path) -> None:
    book = Book(tmp_path)
    book.add(run("model", conditions=Conditions(True, ("train.py",))))
    verdict, detail = verify(book)["commit"]
    assert verdict is Verdict.WARNED
    assert "train.py" in detail


def test_without_a_decision_nothing_was_judged(book: Book) -> None:
    judge(book)
    assert gates(book)[0] is Verdict.FAILED


def test_decision_for_another_environment_does_not_count(book: Book) -> None:
    decide(book, judge(book), environment="staging")
    assert gates(book)[0] is Verdict.FAILED


def test_decision_of_a_stranger_does_not_count(book: Book) -> None:
    decide(book, judge(book), signer=make_signer())
    assert gates(book)[0] is Verdict.FAILED


def test_decision_about_other_bytes_does_not_count(book: Book) -> None:
    decide(book, judge(book), subject=Subject("model", {"sha256": sha("other")}))
    assert gates(book)[0] is Verdict.FAILED


def test_result_of_a_stranger_is_an_error(book: Book) -> None:
    decide(book, judge(book, signer=make_signer()))
    verdict, detail = gates(book)
    assert verdict is Verdict.ERROR
    assert "not trusted" in detail


def test_result_that_is_not_there_is_an_error(book: Book) -> None:
    decide(book, "ab" * 32)
    assert gates(book)[0] is Verdict.ERROR


def test_result_about_another_model_does_not_count(book: Book) -> None:
    decide(book, judge(book, sha256=sha("harmless"), subject="harmless"))
    verdict, detail = gates(book)
    assert verdict is Verdict.ERROR
    assert "no result of gates: model-file" in detail


def test_finding_refuses_though_the_decision_says_passed(book: Book) -> None:
    decide(book, judge(book, report=Report((BAD,), 1)), passed=True)
    verdict, detail = gates(book)
    assert verdict is Verdict.FAILED
    assert "pickle-import" in detail


def test_waiver_of_today_lets_a_finding_pass_and_expired_one_does_not(book: Book) -> None:
    decide(book, judge(book, report=Report((BAD,), 1)), passed=False)
    today = NOON.date()
    good = Waiver("model-file", "pickle-import", "known", "me", today + datetime.timedelta(1))
    assert gates(book, rules("materialize", good))[0] is Verdict.PASSED
    expired = Waiver("model-file", "pickle-import", "known", "me", today)
    assert gates(book, rules("materialize", expired))[0] is Verdict.FAILED


@pytest.mark.parametrize("report", [Report((), 0), Report((), 1, "half of it")])
def test_result_that_could_not_judge_is_an_error(book: Book, report: Report) -> None:
    decide(book, judge(book, report=report))
    assert gates(book)[0] is Verdict.ERROR


def test_required_gate_without_a_result_is_an_error(book: Book) -> None:
    decide(book, judge(book), environment="staging")
    verdict, detail = gates(book, rules("staging"))
    assert verdict is Verdict.ERROR
    assert "dependencies, secrets" in detail


def test_newest_decision_counts(book: Book) -> None:
    later = NOON + datetime.timedelta(hours=1)
    decide(book, judge(book), at=NOON)
    decide(book, judge(book, report=Report((BAD,), 1)), at=later)
    assert gates(book)[0] is Verdict.FAILED


def test_summary_states_the_computed_level_and_reads_back() -> None:
    summary = Summary((MODEL,), "staging", "ab" * 32, True, ("cd" * 32,), NOON, "0.1")
    levels = [find_level(run("model"), make_signer().identity), find_level(None, None)]
    statement = write_summary(summary, levels)
    assert parse_summary(statement) == summary
    assert json.loads(statement.payload)["predicate"]["verifiedLevels"] == ["SLSA_BUILD_LEVEL_0"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"PASSED"', '"MAYBE"'),
        ("urn:ml-assets:verifier", "urn:other"),
        ('"slsaVersion"', '"version"'),
        ("verification_summary/v1", "verification_summary/v0.2"),
    ],
)
def test_summary_of_another_form_is_refused(old: str, new: str) -> None:
    from security.verify.verification_summary import SummaryError

    summary = Summary((MODEL,), "staging", "ab" * 32, True, (), NOON, "0.1")
    payload = write_summary(summary, []).payload.replace(old.encode(), new.encode())
    with pytest.raises(SummaryError, match="not a summary"):
        parse_summary(parse_statement(payload))
