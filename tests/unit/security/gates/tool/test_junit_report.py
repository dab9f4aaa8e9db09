"""JUnit reports: what is whole and consistent is read, anything else is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from security.finding import Severity
from security.gates.interface import GateError
from security.gates.tool.junit_report import JunitStatus, load_report, parse_report

CLEAN = b"""<?xml version="1.0" encoding="utf-8"?>
<testsuites name="pytest tests"><testsuite name="pytest" errors="0" failures="0" skipped="0"
 tests="2" time="0.1"><testcase classname="t.test_a" name="test_b" file="t/test_a.py" line="0"/>
<testcase classname="t.test_a" name="test_c" file="t/test_a.py" line="4"><system-out>x</system-out>
</testcase></testsuite></testsuites>"""

DIRTY = b"""<testsuite tests="5" failures="1" errors="1" skipped="2">
<properties><property name="a" value="b"/></properties>
<testcase classname="A" name="ok" time="0.1"/>
<testcase classname="A" name="fails"><failure message="first&#10;second" type="E">more</failure>
</testcase><testcase classname="A" name="breaks"><error>
 no attribute
 more</error></testcase>
<testcase classname="A" name="no"><skipped type="pytest.skip" message="later"/></testcase>
<testcase classname="A" name="known"><skipped type="pytest.xfail" message=""/></testcase>
</testsuite>"""


def suite(inner: str, attributes: str = 'tests="1"') -> bytes:
    return f"<testsuite {attributes}>{inner}</testsuite>".encode()


def test_clean_report_counts_its_tests() -> None:
    report = parse_report(CLEAN, pytest=True)
    assert report.count(JunitStatus.PASSED) == len(report.cases) == 2
    assert report.cases[1].line == 4 and report.cases[1].file == "t/test_a.py"


def test_dirty_report_says_what_happened_to_each() -> None:
    report = parse_report(DIRTY)
    assert {one: report.count(one) for one in JunitStatus} == {
        JunitStatus.FAILED: 1,
        JunitStatus.ERROR: 1,
        JunitStatus.SKIPPED: 2,
        JunitStatus.PASSED: 1,
    }
    assert [case.message for case in report.cases] == ["", "first", "no attribute", "later", ""]
    assert report.xfailed == 1 and [case.bad for case in report.cases].count(True) == 2


def test_failure_outranks_what_else_a_test_says() -> None:
    inner = '<testcase name="a"><skipped/><error/><failure message="f"/></testcase>'
    [case] = parse_report(suite(inner)).cases
    assert case.status is JunitStatus.FAILED and case.message == "f"


def test_nested_suites_are_added_up() -> None:
    inner = suite('<testcase name="a"/>').decode() + suite('<testcase name="b"/>').decode()
    assert len(parse_report(suite(inner, 'tests="2" failures="0"')).cases) == 2
    with pytest.raises(GateError, match="tests=3"):
        parse_report(suite(inner, 'tests="3"'))


LAUGHS = b"""<!DOCTYPE t [<!ENTITY a "aaaaaaaaaa">%s]><testsuite tests="1">
<testcase name="&z;"/></testsuite>""" % b"".join(
    b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(25)
)
EXTERNAL = b"""<!DOCTYPE t SYSTEM "file:///etc/passwd"><testsuite tests="0"/>"""


@pytest.mark.parametrize("content", [LAUGHS, EXTERNAL, b"<!DOCTYPE testsuite>" + DIRTY])
def test_document_types_are_refused_before_they_do_anything(content: bytes) -> None:
    with pytest.raises(GateError, match="document type"):
        parse_report(content)


@pytest.mark.parametrize("content", [CLEAN, DIRTY])
def test_truncated_report_is_refused_wherever_it_ends(content: bytes) -> None:
    for length in range(len(content)):
        with pytest.raises(GateError, match="unreadable test report"):
            parse_report(content[:length])


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (CLEAN + CLEAN, "unreadable"),
        (CLEAN + b"x", "unreadable"),
        (b"\xff\xfe\x00", "unreadable"),
        (b"<html/>", "root element: html"),
        (b'<testcase name="a"/>', "root element: testcase"),
        (b'<testsuites><testcase name="a"/></testsuites>', "testcase in testsuites"),
        (b'<testsuites><x><testsuite tests="0"/></x></testsuites>', "x in testsuites"),
        (suite('<x><testcase name="a"/></x>'), "testcase in x"),
        (suite('<testcase name="a"><testcase name="b"/></testcase>'), "testcase in testcase"),
        (suite('<testcase name="a"><testsuite tests="0"/></testcase>'), "testsuite in testcase"),
        (suite('<testcase name="a"><x><failure/></x></testcase>'), "failure in x"),
        (suite('<testcase name="a"/><failure/>'), "failure in testsuite"),
        (suite("<testcase/>"), "without a name"),
        (suite('<testcase name="a"/>', ""), "without the attributes tests"),
        (suite('<testcase name="a"/>', 'tests="2"'), "tests=2"),
        (suite('<testcase name="a"/><testcase name="b"/>'), "tests=1"),
        (suite('<testcase name="a"/>', 'tests="1" failures="1"'), "failures=1"),
        (
            suite('<testcase name="a"><failure/></testcase>', 'tests="1" failures="0"'),
            "failures=0",
        ),
        (suite('<testcase name="a"><error/></testcase>', 'tests="1" errors="0"'), "errors=0"),
        (suite('<testcase name="a"/>', 'tests="-1"'), "not a number: -1"),
        (suite('<testcase name="a"/>', 'tests="1.0"'), "not a number"),
        (suite('<testcase name="a"/>', 'tests="\u0661"'), "not a number"),
        (suite('<testcase name="a"/>', 'tests="1" tests="1"'), "unreadable"),
        (suite('<testcase name="a" line="-3"/>'), "line is not a number"),
        (suite('<testcase name="a"/><testcase name="a"/>', 'tests="2"'), "duplicate test"),
        (suite("<testsuite tests='0'>" * 40 + "</testsuite>" * 40), "deeper"),
        (b'<testsuite xmlns="urn:x" tests="1"><y:testcase name="a"/></testsuite>', "tests=1"),
    ],
)
def test_what_does_not_add_up_is_refused(content: bytes, why: str) -> None:
    with pytest.raises(GateError, match=why):
        parse_report(content)


def test_report_of_pytest_may_count_subtests_but_not_hide_tests() -> None:
    counts = 'failures="0" errors="0" skipped="0"'
    one = '<testcase classname="t" name="a"/>'
    assert len(parse_report(suite(one, f'tests="4" {counts}'), pytest=True).cases) == 1
    with pytest.raises(GateError, match="tests=0"):
        parse_report(suite(one, f'tests="0" {counts}'), pytest=True)
    with pytest.raises(GateError, match="without the attributes tests, failures"):
        parse_report(suite(one), pytest=True)


def test_failure_and_then_an_error_at_teardown_is_one_test_that_is_there_twice() -> None:
    inner = '<testcase name="a"><failure/></testcase><testcase name="a"><error/></testcase>'
    assert len(parse_report(suite(inner, 'tests="2"')).cases) == 2


def test_report_that_is_no_file_of_its_own_is_refused(tmp_path: Path) -> None:
    real, link, pipe = tmp_path / "real", tmp_path / "link", tmp_path / "pipe"
    real.write_bytes(CLEAN)
    link.symlink_to(real)
    os.mkfifo(pipe)
    assert len(load_report(real).cases) == 2
    for path in (link, pipe, tmp_path, tmp_path / "missing"):
        with pytest.raises(GateError, match="unreadable test report"):
            load_report(path)


def test_huge_report_is_refused_unread(tmp_path: Path) -> None:
    huge = tmp_path / "huge"
    with huge.open("wb") as stream:
        stream.truncate((64 << 20) + 1)
    with pytest.raises(GateError, match="larger than"):
        load_report(huge)


@pytest.mark.parametrize(
    ("attributes", "test", "place"),
    [
        ('classname="t.test_a.B.C" name="d[x::y]" file="t/test_a.py" line="4"',)
        + ("t/test_a.py::B::C::d[x::y]", "t/test_a.py:5"),
        ('classname="" name="t.test_a" file="t/test_a.py"', "t/test_a.py", "t/test_a.py"),
        (
            'classname="u.test_b" name="d" file="t/test_a.py" line="0"',
            "u.test_b::d",
            "t/test_a.py:1",
        ),
        ('classname="x" name="d" file="../x.py" line="0"', "x::d", ""),
        ('classname="x" name="d" file="/etc/passwd" line="0"', "x::d", ""),
        ('classname="" name="a&#10;b"', "a\\nb", ""),
    ],
)
def test_failed_test_is_a_finding_that_says_where(attributes: str, test: str, place: str) -> None:
    inner = f'<testcase {attributes}><failure message="m&#9;n&#10;o"/></testcase>'
    content = suite(inner, 'tests="1" failures="1" errors="0" skipped="0"')
    [finding] = parse_report(content, pytest=True).findings()
    assert (finding.id, finding.place) == (test, place)
    assert finding.message == "failed: m\\tn" and finding.severity is Severity.HIGH
