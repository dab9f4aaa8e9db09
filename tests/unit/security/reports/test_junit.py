"""JUnit XML: every reader can parse it, and counts what the policy counts."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence

from security.finding import Finding, Severity
from security.gates.interface import Report
from security.policy.decision import CaseDecision
from security.reports.junit import write_junit
from tests.unit.security.reports.decisions import all_kinds, decide, decide_findings


def suites_of(decisions: Sequence[CaseDecision]) -> dict[str, ElementTree.Element]:
    """Write and parse a document, and return its suites by name."""
    root = ElementTree.fromstring(write_junit(decisions).encode("utf-8"))
    assert root.tag == "testsuites"
    for element in [root, *root]:
        cases = list(element.iter("testcase"))
        assert int(element.get("tests", "")) == len(cases)
        for count, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(element.get(count, "")) == len(list(element.iter(tag)))
    return {suite.get("name", ""): suite for suite in root}


def outcomes(suite: ElementTree.Element) -> list[tuple[str, list[str]]]:
    """Return the name of each case, and the elements that say what became of it."""
    return [(case.get("name", ""), [one.tag for one in case]) for case in suite]


def test_findings_fail_warn_or_are_skipped() -> None:
    suite = suites_of(all_kinds())["code-security"]
    assert outcomes(suite) == [
        ("B605 at src/a.py:3", ["failure"]),
        ("B101 at src/a.py:9", ["system-out"]),
        ("B602 at src/b.py:1", ["skipped"]),
        ("B603 at src/c.py", ["skipped"]),
        ("B604 at src/c.py", ["skipped"]),
    ]
    skipped = [one.get("message", "") for one in suite.iter("skipped")]
    assert skipped[0] == "waived by <me> until 2027-01-01: re]]>viewed | @all: waived"
    assert skipped[1:] == [
        "silenced by baseline: in the baseline",
        "silenced by comment: with a comment",
    ]


def test_gate_that_could_not_judge_is_an_error() -> None:
    suites = suites_of(all_kinds())
    for gate in ("lint", "secrets", "types"):
        assert outcomes(suites[gate]) == [(f"{gate}: judged", ["error"])]
    (error,) = suites["types"].iter("error")
    assert error.get("message") == error.text == "no result"


def test_gate_that_failed_and_could_not_judge_the_rest_has_both() -> None:
    assert outcomes(suites_of(all_kinds())["dependencies"]) == [
        ("PYSEC-1 at jinja2==3.1.3", ["failure"]),
        ("dependencies: judged", ["error"]),
    ]


def test_clean_gate_is_one_test_that_passed() -> None:
    suite = suites_of(all_kinds())["format"]
    assert outcomes(suite) == [("format: judged", ["system-out"])]
    (case,) = suite
    assert case.get("classname") == "format.source" and case.get("time") == "1.500"


def test_subjects_of_a_gate_are_told_apart() -> None:
    suite = suites_of(all_kinds())["model-file"]
    groups = [case.get("classname") for case in suite]
    assert groups == ["model-file.m/a.pkl", "model-file.m/b.pkl"]
    assert suite.get("time") == "3.000"


def test_characters_that_xml_may_not_hold_are_replaced() -> None:
    everything = "".join(
        map(chr, [*range(0x300), *range(0xD7F0, 0xE010), 0xFFFE, 0xFFFF, 0x10FFFF])
    )
    for start in range(0, len(everything), 100):
        text = everything[start : start + 100]
        finding = Finding(text, text, Severity.HIGH, path=text, package="")
        decision = decide("lint", Report((finding,), 1), subject=text)
        assert outcomes(suites_of([decision])["lint"])[0][1] == ["failure"]


def test_no_judgements_are_no_tests() -> None:
    assert suites_of([]) == {}


def test_all_of_ten_thousand_findings_are_there() -> None:
    assert len(list(suites_of([decide_findings(10_000)])["lint"])) == 10_000
