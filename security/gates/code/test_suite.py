"""The gates ``unit-tests`` and ``integration-tests``: a project's own tests, run by pytest.

1. The directories of the settings, where they exist.
2. Otherwise ``unit-tests`` runs the tests wherever they are: the directories that the project names
   to pytest (``testpaths``), or each file with tests (``python/test_files``). Tests of other gates
   are left to these.
3. Tests that no gate runs are named.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from security.gates.context import GateContext
from security.gates.interface import NOTE, GateError, Kind, Place, Report, Task, Tool
from security.gates.python.test_files import (
    find_tests,
    is_below,
    is_named_like_tests,
    load_settings,
)
from security.gates.settings import SuiteSettings
from security.gates.tool.test_run import DOCUMENTATION, PytestRun, may_be_read

_DISCOVERING = "unit-tests"
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Discovery:
    """What decides which tests a gate finds by itself.

    Attributes:
        root: of the project.
        run: returns the files that stages run, which are no tests.
        others: directories of the tests of other gates.
        protected: returns the paths of the protected branch.
    """

    root: Path
    run: Callable[[], Collection[str]]
    others: tuple[str, ...]
    protected: Callable[[], Collection[str]]


@dataclass(frozen=True, slots=True)
class TestSuiteGate:
    """Run tests of the project; ``tool/test_run`` says what a hostile test can fake.

    Attributes:
        name: ``unit-tests`` or ``integration-tests``.
        paths: of the tests, relative to the project's root; empty finds them.
        sources: packages or directories to measure coverage of, if pytest-cov is installed.
        arguments: more arguments for pytest.
        minimum_coverage: percent; less is a finding, and coverage not measured is an error.
        ignores: patterns of files that tests do not read; code is always read.
        discovery: None if the gate neither finds tests nor names those that no gate runs.
    """

    __test__: ClassVar[bool] = False  # so that pytest does not collect this class

    name: str
    paths: tuple[str, ...]
    sources: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    minimum_coverage: float | None = None
    ignores: tuple[str, ...] = DOCUMENTATION
    discovery: Discovery | None = None
    kind: Kind = field(default=Kind.SOURCE, init=False)
    place: Place = field(default=Place.CHECKOUT, init=False)

    @classmethod
    def from_context(cls, context: GateContext) -> TestSuiteGate:
        """Build the gate from its settings; coverage is of ``src`` if these name no sources."""
        own, project = context.settings(SuiteSettings), context.project
        sources = own.sources or (("src",) if (project.root / "src").is_dir() else ())
        if context.name != _DISCOVERING:
            return cls(context.name, own.paths, sources, own.arguments)
        there = any(map(project.has_directory, own.paths))
        discovery = Discovery(
            project.root,
            lambda: project.python_files.code.scripts,
            tuple(path for path in project.test_directories if path not in own.paths),
            lambda: project.protected_paths,
        )
        paths = own.paths if there else ()
        return cls(context.name, paths, sources, own.arguments, discovery=discovery)

    @classmethod
    def has_subject(cls, context: GateContext, subject: str) -> bool | None:
        """Return whether there are tests; None if the files of the tree decide."""
        there = any(map(context.project.has_directory, context.settings(SuiteSettings).paths))
        return there or (None if context.name == _DISCOVERING else False)

    def applies(self, files: Collection[str]) -> bool:
        """Say whether there are tests among the files, or on the protected branch."""
        found = self.discovery
        if self.paths or found is None:
            return True
        if self._find(sorted(files)):
            return True
        tests = filter(is_named_like_tests, found.protected())
        return any(not is_below(path, found.others) for path in tests)

    def reads(self, path: str) -> bool:
        """Say whether tests may read a file: any file but documentation."""
        return may_be_read(path, self.ignores)

    def configures(self, path: str) -> bool:
        """Return False: tests run with the settings of their commit, which are in the result."""
        return False

    def tool(self, task: Task) -> Tool:
        """Return the pytest of the project's environment.

        Raises:
            GateError: pytest is not installed there, or the project has no environment.
        """
        return self._run(self.paths or ("tests that are found",), ()).tool(task)

    def judge(self, task: Task) -> Report:
        """Run the tests and report each that fails.

        Raises:
            GateError: no test ran, or the run contradicts its report.
        """
        found = self.discovery
        paths = self.paths if self.paths or found is None else tuple(self._find(task.files))  # 1, 2
        if not paths:
            raise GateError("no tests", "add tests, or set the paths of this gate")
        ignored = () if self.paths or found is None else found.others
        report = self._run(paths, tuple(f"--ignore={path}" for path in ignored)).judge(task)
        return self._name_others(report, task.files, paths)  # 3

    def _find(self, files: Sequence[str]) -> list[str]:
        """Return the directories that the project names to pytest, or each file with tests."""
        found = self.discovery
        if found is None:
            return []
        settings = load_settings(found.root)
        there = (path for path in settings.paths if (found.root / path).exists())
        given = [path for path in there if not is_below(path, found.others)]
        tests = find_tests(found.root, files, found.run(), settings)
        if given and any(is_below(path, given) for path in files if path.endswith(".py")):
            return given
        return [path for path in tests if not is_below(path, found.others)]

    def _name_others(self, report: Report, files: Sequence[str], run: Sequence[str]) -> Report:
        """Name the tests that neither this gate nor another runs."""
        found = self.discovery
        if found is None:
            return report
        tests = find_tests(found.root, files, found.run(), load_settings(found.root))
        taken = (*run, *found.others)
        left = [path for path in tests if not is_below(path, taken)]
        more = f" and {len(left) - _SHOWN} more" if len(left) > _SHOWN else ""
        notes = [f"no gate runs: {', '.join(left[:_SHOWN])}{more}"] if left else []
        if deselected := report.facts.get("deselected"):
            notes.append(f"deselected tests: {deselected}")
        return replace(report, facts={**report.facts, NOTE: "; ".join(notes)}) if notes else report

    def _run(self, paths: tuple[str, ...], more: tuple[str, ...]) -> PytestRun:
        arguments = (*self.arguments, *more)
        return PytestRun(paths, self.sources, arguments, self.minimum_coverage)
