"""JUnit XML reports, read strictly: a report that contradicts itself is refused.

The format has no standard. The rules hold for pytest and for other common writers:

1. The report is one complete, well-formed document without a document type, which excludes entity
   expansion and external files.
2. The root is ``testsuites`` or ``testsuite``; suites hold suites and ``testcase`` elements.
3. The attribute ``tests`` of a suite equals the number of its tests. The same applies to
   ``failures``, ``errors`` and ``skipped`` where they are present.
4. A test appears once, or several times without passing (a failure, then an error in teardown).
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import NoReturn, TypeAlias
from xml.parsers import expat  # nosec B407  # document types are refused where they begin

from security.content.printable import printable
from security.finding import Finding, Severity
from security.gates.interface import GateError

_MOST_BYTES = 64 << 20
_MOST_DEPTH = 32
_MOST_CHARACTERS = 2000
_SUITES = ("testsuites", "testsuite")
_COUNTS = ("tests", "failures", "errors", "skipped")
_HINT = "check the JUnit report that the test command writes"


class JunitStatus(Enum):
    """The status of a test, worst first; the value is the name of the XML element."""

    FAILED = "failure"
    ERROR = "error"
    SKIPPED = "skipped"
    PASSED = "passed"


@dataclass(frozen=True, slots=True)
class JunitCase:
    """One test.

    Attributes:
        classname: dotted name of its module and classes.
        file: as written; may be empty.
        line: as written; pytest counts from 0.
        message: first line of the reason why it did not pass; may be empty.
        reason: type of that reason, such as ``pytest.xfail``; may be empty.
        detail: the beginning of the text of the reason.
        marks: number of elements by status.
    """

    classname: str
    name: str
    file: str
    line: int | None
    status: JunitStatus
    message: str = ""
    reason: str = ""
    detail: str = ""
    marks: Mapping[JunitStatus, int] = field(default_factory=dict)

    @property
    def test(self) -> str:
        """Return the full name: ``tests/test_a.py::TestB::test_c`` for pytest."""
        module = self.file.removesuffix(".py").replace("/", ".")
        if not self.classname:
            return self.file if self.file and self.name == module else self.name
        if self.file and f"{self.classname}.".startswith(f"{module}."):
            classes = self.classname[len(module) + 1 :].split(".")
            return "::".join([self.file, *filter(None, classes), self.name])
        return f"{self.classname}::{self.name}"

    @property
    def bad(self) -> bool:
        """Whether it failed or was in error."""
        return self.status in (JunitStatus.FAILED, JunitStatus.ERROR)


@dataclass(frozen=True, slots=True)
class JunitReport:
    """The tests of a report.

    Attributes:
        pytest: whether pytest wrote the report.
    """

    cases: tuple[JunitCase, ...]
    pytest: bool = False

    def count(self, status: JunitStatus) -> int:
        """Return the number of tests with a status."""
        return sum(case.status is status for case in self.cases)

    @property
    def xfailed(self) -> int:
        """Return the number of skipped tests that ran and failed as expected (pytest)."""
        return sum(case.reason == "pytest.xfail" for case in self.cases)

    def findings(self) -> tuple[Finding, ...]:
        """Return one finding for each test that failed or was in error."""
        return tuple(self._finding(case) for case in self.cases if case.bad)

    def _finding(self, case: JunitCase) -> Finding:
        path = case.file if _is_inside(case.file) else ""
        line = None if case.line is None else case.line + self.pytest
        what = "failed" if case.status is JunitStatus.FAILED else "error"
        message = f"{what}: {printable(case.message)}" if case.message else what
        test = printable(case.test, 500)
        return Finding(test, message, Severity.HIGH, path=path, line=line if path else None)


def load_report(path: Path, *, pytest: bool = False) -> JunitReport:
    """Load a report from a file.

    Args:
        pytest: as in ``parse_report``.

    Raises:
        GateError: the file is missing or not a valid report.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as stream:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                _refuse("not a file")
            return parse_report(stream.read(_MOST_BYTES + 1), pytest=pytest)
    except OSError as error:
        raise GateError(f"unreadable test report: {error.strerror}", _HINT) from error


def parse_report(content: bytes, *, pytest: bool = False) -> JunitReport:
    """Parse a report.

    Args:
        pytest: whether pytest wrote it. Pytest counts subtests, and tests that fail twice, in its
            own way. So ``tests`` may exceed the number of tests, and all four counts are required.

    Raises:
        GateError: the report is too large, not well-formed, not JUnit, or contradicts itself.
    """
    if len(content) > _MOST_BYTES:
        _refuse(f"larger than {_MOST_BYTES} bytes")
    reader = _Reader(pytest)
    try:
        reader.parser.Parse(content, True)
    except expat.ExpatError as error:
        raise GateError(f"unreadable test report: {error}", _HINT) from error
    cases = tuple(reader.cases)
    _refuse_twice(cases)
    return JunitReport(cases, pytest)


def _is_inside(path: str) -> bool:
    """Say whether a path is normalized and stays in the project."""
    parts = path.split("/")
    return bool(path) and not {"", ".", ".."} & set(parts) and path.isprintable()


def _refuse(why: str) -> NoReturn:
    raise GateError(f"unreadable test report: {why}", _HINT)


def _refuse_twice(cases: tuple[JunitCase, ...]) -> None:
    """Step 4: refuse a test that both passes and fails."""
    keys = Counter((case.classname, case.name, case.file, case.line) for case in cases)
    for case in cases:
        if keys[case.classname, case.name, case.file, case.line] > 1 and not case.bad:
            _refuse(f"duplicate test: {printable(f'{case.classname}.{case.name}')}")


_Mark: TypeAlias = tuple[JunitStatus, str, str, str]  # message, type, text


@dataclass(slots=True)
class _Suite:
    """A suite while it is read: its counts, and the index of its first test."""

    counts: dict[str, int]
    first: int
    is_root: bool


class _Reader:
    """Builds cases while expat parses; the first violation of a rule stops it."""

    def __init__(self, pytest: bool) -> None:
        self.cases: list[JunitCase] = []
        self.parser = expat.ParserCreate()
        self.parser.StartDoctypeDeclHandler = lambda *_: _refuse("document type")
        self.parser.EntityDeclHandler = lambda *_: _refuse("entity declaration")
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.buffer_text = True
        self._pytest = pytest
        self._path: list[str] = []
        self._suites: list[_Suite] = []
        self._case: dict[str, str] = {}
        self._marks: list[_Mark] = []
        self._characters = ""

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if len(self._path) >= _MOST_DEPTH:
            _refuse(f"nested deeper than {_MOST_DEPTH} elements")
        parent = self._path[-1] if self._path else ""
        self._path.append(tag)
        if tag in _SUITES:
            self._start_suite(tag, parent, attributes)
        elif not parent:
            _refuse(f"wrong root element: {printable(tag)}")  # step 2
        elif tag == "testcase":
            if parent != "testsuite":
                _refuse(f"testcase in {printable(parent)}")
            self._case, self._marks = attributes, []
        elif parent == "testcase" and tag in _MARKS:
            message, kind = attributes.get("message", ""), attributes.get("type", "")
            self._marks.append((_MARKS[tag], message, kind, ""))
            self._characters = ""
        elif tag in _MARKS or parent == "testsuites":
            _refuse(f"{printable(tag)} in {printable(parent)}")

    def _start_suite(self, tag: str, parent: str, attributes: dict[str, str]) -> None:
        if parent and (parent not in _SUITES or tag == "testsuites"):
            _refuse(f"{tag} in {printable(parent)}")
        counts = {name: _number(name, attributes[name]) for name in _COUNTS if name in attributes}
        needed = _COUNTS if self._pytest else _COUNTS[:1]
        if tag == "testsuite" and not counts.keys() >= set(needed):
            _refuse(f"testsuite without the attributes {', '.join(needed)}")
        self._suites.append(_Suite(counts, len(self.cases), tag == "testsuites"))

    def _text(self, text: str) -> None:
        if self._path[-1] in _MARKS and len(self._characters) < _MOST_CHARACTERS:
            self._characters += text[:_MOST_CHARACTERS]

    def _end(self, tag: str) -> None:
        self._path.pop()
        if tag in _SUITES:
            self._end_suite(self._suites.pop())
        elif tag == "testcase":
            self.cases.append(_build_case(self._case, self._marks))
        elif tag in _MARKS and self._marks:
            self._marks[-1] = (*self._marks[-1][:3], self._characters)

    def _end_suite(self, suite: _Suite) -> None:
        """Step 3: compare the counts of a suite with its tests."""
        cases = self.cases[suite.first :]
        for name, count in suite.counts.items():
            if name == "tests":
                names = {(case.classname, case.name) for case in cases}
                right = count == len(cases) or (self._pytest and count >= len(names))
            else:
                marks = [case.marks.get(_COUNTED[name], 0) for case in cases]
                right = count in (sum(marks), sum(map(bool, marks)))
            if not right:
                _refuse(f"wrong count in a suite of {len(cases)} tests: {name}={count}")


_MARKS = {one.value: one for one in JunitStatus if one is not JunitStatus.PASSED}
_NO_MARK: _Mark = (JunitStatus.PASSED, "", "", "")
_COUNTED = {
    "failures": JunitStatus.FAILED,
    "errors": JunitStatus.ERROR,
    "skipped": JunitStatus.SKIPPED,
}


def _build_case(attributes: Mapping[str, str], marks: list[_Mark]) -> JunitCase:
    if not attributes.get("name"):
        _refuse("testcase without a name")
    order = list(JunitStatus)
    worst = min(marks, key=lambda mark: order.index(mark[0]), default=_NO_MARK)
    line = attributes.get("line")
    return JunitCase(
        attributes.get("classname", ""),
        attributes["name"],
        attributes.get("file", ""),
        None if line is None else _number("line", line),
        worst[0],
        next(iter((worst[1] or worst[3]).strip().splitlines()), ""),
        worst[2],
        worst[3],
        Counter(mark[0] for mark in marks),
    )


def _number(name: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        _refuse(f"{name} is not a number: {printable(text, 40)}")
    return int(text)
