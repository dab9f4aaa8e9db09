"""The gates ``unit-tests`` and ``integration-tests``: a project's own tests, run by pytest."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, field
from typing import ClassVar

from security.gates.interface import Kind, Place, Report, Task, Tool
from security.gates.test_run import PytestRun

#: What tests do not read unless a project says so, by ``fnmatch`` patterns of paths, in which ``*``
#: also stands for ``/``. A change of these files runs no test again.
DOCUMENTATION = (
    "*.md",
    "*.rst",
    "docs/*",
    "LICENSE",
    "LICENSE.txt",
    "COPYING",
    "NOTICE",
    "AUTHORS",
    "CODEOWNERS",
    "CITATION.cff",
    ".github/CODEOWNERS",
)

# These run when they are imported, wherever they are.
_CODE = (".py", ".pyc", ".pyi", ".pth", ".so")


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
        if path.endswith(_CODE):
            return True
        return not any(fnmatch.fnmatchcase(path, pattern) for pattern in self.ignores)

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
