"""The gates ``unit-tests`` and ``integration-tests``: a project's own tests, run by pytest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from security.gates.interface import Kind, Place, Report, Task, Tool
from security.gates.tool.test_run import DOCUMENTATION, PytestRun, may_be_read


@dataclass(frozen=True, slots=True)
class TestSuiteGate:
    """Judges the source tree by its tests; see ``test_run`` for what they could lie about.

    Attributes:
        name: ``unit-tests`` or ``integration-tests``.
        paths: of the tests, relative to the project's root.
        sources: packages or directories whose coverage is measured, where pytest-cov is there.
        arguments: further ones for pytest.
        minimum_coverage: percent; less is a finding, and no measure is no judgement.
        ignores: patterns of files that tests do not read; code is read in any case.
    """

    __test__: ClassVar[bool] = False  # pytest would take it for a class of tests

    name: str
    paths: tuple[str, ...]
    sources: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    minimum_coverage: float | None = None
    ignores: tuple[str, ...] = DOCUMENTATION
    kind: Kind = field(default=Kind.SOURCE, init=False)
    place: Place = field(default=Place.CHECKOUT, init=False)

    def reads(self, path: str) -> bool:
        """Say whether tests may read a file: anything that is not documentation."""
        return may_be_read(path, self.ignores)

    def configures(self, path: str) -> bool:
        """Say no: the tests of a commit are judged with its own settings, which are digested."""
        return False

    def tool(self, task: Task) -> Tool:
        """Return pytest as it is installed in the project's environment.

        Raises:
            GateError: it is not, or there is no environment.
        """
        return self._run.tool(task)

    def judge(self, task: Task) -> Report:
        """Run the tests; each that fails is a finding.

        Raises:
            GateError: none ran, or what is said of them cannot be believed.
        """
        return self._run.judge(task)

    @property
    def _run(self) -> PytestRun:
        return PytestRun(self.paths, self.sources, self.arguments, self.minimum_coverage)
