"""The gate ``code-security``: security findings of bandit in Python files.

1. Bandit gets a configuration file that we write. It holds the options of ``[tool.bandit]`` and
   ``.bandit`` on the protected branch that select tests, configure tests and exclude files. The
   directories that bandit excludes by default are not excluded: every file that Git tracks is
   source, also in ``.tox/``.
2. Bandit runs with ``--ignore-nosec``. Files that have findings and a ``nosec`` comment are scanned
   again without that option. A finding missing from the second report is silenced by a comment.
3. The report must list every file that is not excluded, either as scanned or as failed. Bandit only
   logs when one of its tests crashes, so the log is read as well.
4. The baseline is a bandit report. It silences the findings that it lists. If a file has more
   findings of one kind than the baseline lists, none of that kind is silenced, because the new one
   cannot be distinguished.

5. Code without the suffix is read too: scripts (``python_files``), the cells of notebooks, and code
   in the commands of stages. Bandit gets the latter two as files made of them. A part of them that
   is no Python is a finding of low severity.
6. Asserts in test code are no finding (B101): tests are made of them. Files that a stage runs are
   no test code.
7. Compiled Python that Git tracks, or that a stage runs, is a finding: it cannot be read.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from security.content.printable import printable
from security.finding import Finding, Severity
from security.gates.code.bandit_findings import leave_out_asserts, mark_silenced
from security.gates.code.bandit_scan import (
    HINT,
    INI,
    OPTIONS,
    PYPROJECT,
    BanditReport,
    BanditSettings,
    load_json,
    load_settings,
    parse_results,
    run_bandit,
)
from security.gates.context import GateContext
from security.gates.interface import GateError, Json, Kind, Place, Report, Task, Tool
from security.gates.python.bytecode import is_compiled, judge_compiled
from security.gates.python.extract import (
    Extract,
    extract_inline,
    extract_notebook,
    free_name,
    write_extracts,
)
from security.gates.python.python_files import COMPILED, NOTEBOOK, PythonFiles
from security.gates.python.test_files import may_be_test_code
from security.gates.tool.file_copies import unwritable_scratch
from security.gates.tool.own_tools import own_module, own_version
from security.gates.tool.reason_list import file_reasons, join_reasons
from security.gates.tool.silencing_comments import find_commented_files, path_arguments

_SUFFIXES = (".py", ".pyw")


@dataclass(frozen=True, slots=True)
class _Sources:
    """The Python to judge.

    Attributes:
        plain: files that bandit finds by their suffix.
        scripts: files that are Python without the suffix.
        extracts: files made of notebooks and commands.
        compiled: files that cannot be read, with their first bytes.
        excluded: number of files that the configuration excludes.
    """

    plain: frozenset[str]
    scripts: tuple[str, ...]
    extracts: tuple[Extract, ...]
    compiled: tuple[tuple[str, bytes], ...]
    excluded: int

    @property
    def wanted(self) -> frozenset[str]:
        """Paths that the report of bandit must list."""
        return self.plain | {*self.scripts, *(one.path for one in self.extracts)}


class CodeSecurityGate:
    """Scan Python files with bandit.

    Args:
        baseline: path of a bandit report with known findings, relative to the project's root; it
            is read from the protected branch.
        python: the Python files of the tree, also those without the suffix.
        compiled: returns the compiled files that Git tracks.
    """

    name = "code-security"
    kind = Kind.SOURCE
    place = Place.COPY

    def __init__(
        self,
        baseline: str | None = ".ml-assets/bandit-baseline.json",
        *,
        python: PythonFiles | None = None,
        compiled: Callable[[], Collection[str]] = frozenset,
    ) -> None:
        self._baseline = baseline
        self._python = python or PythonFiles(Path(os.devnull))
        self._compiled = compiled

    @classmethod
    def from_context(cls, context: GateContext) -> CodeSecurityGate:
        """Build the gate for a project."""
        project = context.project
        return cls(python=project.python_files, compiled=lambda: project.compiled_files)

    def reads(self, path: str) -> bool:
        """Say whether the gate reads a file: Python files, the configuration and the baseline."""
        lower = path.lower()
        return (
            lower.endswith((*_SUFFIXES, NOTEBOOK))
            or self.configures(path)
            or any(path == one.file for one in self._python.code.inline)
            or (lower.endswith(COMPILED) and self._runs_compiled(path))
            or self._python.is_script(path)
        )

    def _runs_compiled(self, path: str) -> bool:
        return path in self._python.code.scripts or path in self._compiled()

    def configures(self, path: str) -> bool:
        """Say whether a file is configuration or the baseline."""
        return path in (PYPROJECT, INI, self._baseline)

    def tool(self, task: Task) -> Tool:
        """Return bandit, its version and its options.

        Raises:
            GateError: bandit is not installed.
        """
        own_module("bandit")
        configuration: dict[str, Json] = {
            "baseline": self._baseline,
            "options": list(OPTIONS),
            "python": platform.python_version(),
            "commands": self._digest_commands(),
            "asserts": "judged outside of test code",
            "run": list[Json](sorted(filter(may_be_test_code, self._python.code.scripts))),
        }
        return Tool("bandit", own_version("bandit"), configuration)

    def judge(self, task: Task) -> Report:
        """Report every finding of bandit, and mark those that a comment or the baseline silences.

        Raises:
            GateError: bandit is missing, crashed, or its report contradicts itself.
        """
        settings = load_settings(task.directory)
        known = self._load_baseline(task.directory)
        sources = self._sort(task, settings)
        made = (*_notices(sources), *_find_compiled(sources))
        if not sources.wanted and not made:
            return Report((), 0, facts={"left_out": sources.excluded})
        scan = _scan(task, settings, sources, "scan", ("--ignore-nosec", "."))
        commented = _find_commented(task, settings, sources, scan)
        wanted = leave_out_asserts(scan.findings, self._python.code.scripts, task.directory)
        findings = (*mark_silenced(wanted, commented, known), *made)
        report = _build_report(scan, findings, sources)
        asserts = len(scan.findings) - len(wanted)
        return replace(report, facts={**report.facts, "asserts_in_tests": asserts})

    def _digest_commands(self) -> str:
        """Return the digest of the code in commands, which values of parameters can change."""
        parts = (f"{one.file}\0{one.stage}\0{one.code}" for one in self._python.code.inline)
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()

    def _sort(self, task: Task, settings: BanditSettings) -> _Sources:
        """Steps 5 and 7: sort the files by what bandit has to be told, and write the extracts.

        Raises:
            GateError: an extract cannot be written.
        """
        named = [path for path in task.files if not self.configures(path)]
        kept = [path for path in named if not settings.excludes(path)]
        plain = frozenset(path for path in kept if path.lower().endswith(_SUFFIXES))
        starts = {
            path: _read(task.directory / path, 1024)
            for path in kept
            if path not in plain and not path.lower().endswith(NOTEBOOK)
        }
        inline = {one.file for one in self._python.code.inline}
        compiled = {
            p: start for p, start in starts.items() if is_compiled(start) and p not in inline
        }
        compiled |= {p: start for p, start in starts.items() if p.lower().endswith(COMPILED)}
        scripts = (p for p in starts if p not in compiled and p not in inline)
        extracts = tuple(self._extract(task.directory, kept))
        try:
            write_extracts(task.directory, extracts)
        except OSError as error:
            raise unwritable_scratch(error) from error
        excluded = len(named) - len(kept)
        return _Sources(plain, tuple(scripts), extracts, tuple(compiled.items()), excluded)

    def _extract(self, directory: Path, kept: Sequence[str]) -> Iterator[Extract]:
        taken: set[str] = set()
        for path in kept:
            if path.lower().endswith(NOTEBOOK):
                name = free_name(directory, path, taken)
                taken.add(name)
                yield extract_notebook(path, _read(directory / path), name)
        for code in self._python.code.inline:
            if code.file in kept:
                name = free_name(directory, code.file, taken)
                taken.add(name)
                yield extract_inline(code, name)

    def _load_baseline(self, directory: Path) -> Counter[str]:
        if self._baseline is None or not (directory / self._baseline).exists():
            return Counter()
        try:
            results = parse_results(load_json(directory / self._baseline))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            message = f"not a bandit report: {self._baseline}: {printable(repr(error))}"
            raise GateError(message, f"bandit -r . -f json -o {self._baseline}") from error
        return Counter(identity for _, identity in results)


def _read(path: Path, most: int = -1) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        message = f"cannot read: {printable(path.name)}: {error.strerror}"
        raise GateError(message, "restore the file, then run the gate again") from error


def _notices(sources: _Sources) -> Iterator[Finding]:
    """Return the findings on parts of notebooks and commands that are no Python."""
    for one in sources.extracts:
        for part in one.unread:
            message = f"no Python, so not judged: {part}"
            yield Finding("not-judged", message, Severity.LOW, path=one.path)


def _find_compiled(sources: _Sources) -> Iterator[Finding]:
    for path, start in sources.compiled:
        yield judge_compiled(path, start, sources.plain)


def _scan(
    task: Task, settings: BanditSettings, sources: _Sources, name: str, arguments: Sequence[str]
) -> BanditReport:
    told = settings.with_scripts((*sources.scripts, *(one.name for one in sources.extracts)))
    return run_bandit(task, told, name, arguments, {one.name: one for one in sources.extracts})


def _find_commented(
    task: Task, settings: BanditSettings, sources: _Sources, scan: BanditReport
) -> Counter[Finding]:
    """Step 2: return the findings that comments silence; none in notebooks and commands."""
    found = {finding.path for finding, _ in scan.findings} & {*sources.plain, *sources.scripts}
    paths = find_commented_files(task.directory, found, b"nosec")
    if not paths:
        return Counter()
    second = _scan(task, settings, sources, "second-scan", path_arguments(paths))
    # Where the second scan failed, nothing is known of comments, and findings stay loud.
    seen = second.scanned.intersection(paths) - second.failed.keys()
    loud = Counter(finding for finding, _ in scan.findings if finding.path in seen)
    return loud - Counter(finding for finding, _ in second.findings)


def _build_report(scan: BanditReport, findings: tuple[Finding, ...], sources: _Sources) -> Report:
    """Step 3: account for every file."""
    wanted = sources.wanted
    failed = {path: scan.failed[path] for path in scan.failed.keys() & wanted}
    failed |= {path: "not scanned" for path in wanted - scan.scanned - failed.keys()}
    if not scan.scanned <= wanted:
        raise GateError("bandit scanned files that the configuration excludes", HINT)
    reasons = [f"{scan.crashes} tests crashed"] if scan.crashes else []
    return Report(
        findings,
        judged=len(wanted) - len(failed) + len(sources.compiled),
        unjudged=join_reasons([*reasons, *file_reasons(failed)], "bandit did not check: "),
        facts={"left_out": sources.excluded},
    )
