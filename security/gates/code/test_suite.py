"""The gates ``unit-tests`` and ``integration-tests``: a project's own tests, run by pytest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from security.gates.context import GateContext
from security.gates.interface import Kind, Place, Report, Task, Tool
from security.gates.settings import SuiteSettings
from security.gates.tool.test_run import DOCUMENTATION, PytestRun, may_be_read


@dataclass(frozen=True, slots=True)
class TestSuiteGate:
    """Run tests of the project; ``tool/test_run`` says what a hostile test can fake.

    Attributes:
        name: ``unit-tests`` or ``integration-tests``.
        paths: of the tests, relative to the project's root.
        sources: packages or directories to measure coverage of, if pytest-cov is installed.
        arguments: more arguments for pytest.
        minimum_coverage: percent; less is a finding, and coverage not measured is an error.
        ignores: patterns of files that tests do not read; code is always read.
    """

    __test__: ClassVar[bool] = False  # so that pytest does not collect this class

    name: str
    paths: tuple[str, ...]
    sources: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    minimum_coverage: float | None = None
    ignores: tuple[str, ...] = DOCUMENTATION
    kind: Kind = field(default=Kind.SOURCE, init=False)
    place: Place = field(default=Place.CHECKOUT, init=False)

    @classmethod
    def from_context(cls, context: GateContext) -> TestSuiteGate:
        """Build the gate from its settings; coverage is of ``src`` if these name no sources."""
        own = context.settings(SuiteSettings)
        sources = own.sources or (("src",) if (context.project.root / "src").is_dir() else ())
        return cls(context.name, own.paths, sources, own.arguments)

    @classmethod
    def has_subject(cls, context: GateContext, subject: str) -> bool:
        """Return whether there are tests."""
        return any(map(context.project.has_directory, context.settings(SuiteSettings).paths))

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
        return self._run.tool(task)

    def judge(self, task: Task) -> Report:
        """Run the tests and report each that fails.

        Raises:
            GateError: no test ran, or the run contradicts its report.
        """
        return self._run.judge(task)

    @property
    def _run(self) -> PytestRun:
        return PytestRun(self.paths, self.sources, self.arguments, self.minimum_coverage)
