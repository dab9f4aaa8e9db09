"""The judge: runs gates on the cases of a checkout, and stores their results.

1. Digest the files that the gate reads; these digests and the tool are the binding of the result.
2. Use the stored result of the same binding, if its report is complete.
3. Otherwise run the tool, in a private copy of these files or in the checkout.
4. Digest the files again: a report on files that have changed is incomplete.
5. Seal and store the result.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from ml_assets.project.protection import Protection
from resources.dvc.checkout.checkout import Checkout
from resources.errors import ResourceError, wrap_os_error
from resources.git.source_tree import (
    Listing,
    SourceTree,
    copy_files,
    read_source_tree,
    remove_copy,
)
from resources.stores.result_store import ResultStore
from security.content.digest import digest_bytes, digest_tree
from security.content.printable import escape_bytes
from security.errors import SecurityError
from security.gates.interface import Gate, GateError, Kind, Place, Report, Task, Tool
from security.gates.registry import seconds_of
from security.sandbox.file_view import FileView
from security.sandbox.private_directory import make_private
from security.statements.gate_result import Binding, GateResult

SOURCE = "source"


@dataclass(frozen=True)
class Case:
    """A gate and its subject: ``source``, or the location of an out."""

    gate: Gate
    subject: str

    @property
    def key(self) -> tuple[str, str]:
        """The gate's name and the subject."""
        return self.gate.name, self.subject

    @property
    def of_source(self) -> bool:
        """Whether the subject is the source tree; an out may have the same name."""
        return self.gate.kind is Kind.SOURCE


def longest_first(cases: Iterable[Case]) -> list[Case]:
    """Return cases, longest first, so that no processor waits for the longest one at the end."""
    return sorted(cases, key=lambda case: -seconds_of(case.gate.name))


@dataclass(frozen=True)
class CaseResult:
    """The result of a case, or the reason why it is unavailable.

    Attributes:
        report: None if the gate could not judge.
        unavailable: the reason, with a hint.
        cached: whether the result was stored by an earlier run.
        result: the report with its binding; None without a report.
        changed: configuration files that differ from those of the protected branch, which apply.
    """

    case: Case
    report: Report | None
    unavailable: str | None
    tool: Tool | None
    seconds: float
    cached: bool
    changed: tuple[str, ...] = ()
    result: GateResult | None = None


@dataclass(frozen=True)
class Surroundings:
    """The environment of gates.

    Attributes:
        python: absolute path of the interpreter of the project's environment.
        environment: variables for the project's tools.
        own_environment: variables for our own tools.
        view: what a gate's processes see of the files.
        timeout: seconds.
    """

    python: Path | None
    environment: Mapping[str, str]
    own_environment: Mapping[str, str]
    view: FileView
    timeout: float = 600.0


class Judge:
    """Judges cases of one checkout. Safe for threads.

    Args:
        code: files that stages read as code, even if Git ignores them.
        listing: paths of the source tree, if nothing has been written since.
    """

    def __init__(
        self,
        checkout: Checkout,
        store: ResultStore,
        protection: Protection,
        surroundings: Surroundings,
        *,
        code: Iterable[str] = (),
        listing: Future[Listing] | None = None,
    ) -> None:
        self._checkout = checkout
        self._store = store
        self._protection = protection
        self._surroundings = surroundings
        self._code = tuple(code)
        self._outs = [out for out in checkout.manifest.producer if "://" not in out]
        self.tree = self._read_tree(listing)

    def _read_tree(self, listing: Future[Listing] | None = None) -> SourceTree:
        root, store = self._checkout.root, self._checkout.store
        return read_source_tree(root, store, outs=self._outs, extra=self._code, listing=listing)

    def refresh(self) -> None:
        """Read the source tree again if a file has changed."""
        if not self.tree.is_current(self._checkout.store):
            self.tree = self._read_tree()

    def judge(self, case: Case) -> CaseResult:
        """Judge a case, or return its stored result."""
        started = time.monotonic()
        reading = _Reading(self._checkout, self.tree, self._protection, case)
        tool: Tool | None = None
        try:
            if not case.of_source:
                # The project's own code may read any data.
                self._checkout.supply(*self._outs if reading.files else (case.subject,))
            with make_private("gate-") as scratch:
                task = self._task(case, reading, scratch)
                tool = case.gate.tool(task)
                binding = reading.bind(tool)
                stored = self._store.load(binding)
                if stored is not None and stored.report.unjudged is None and stored.report.judged:
                    result, cached = stored, True
                else:
                    result, cached = self._run(case, reading, task, binding, started), False
        except (SecurityError, ResourceError) as error:
            return self._unavailable(case, error, tool, time.monotonic() - started)
        except OSError as error:
            return self._unavailable(case, wrap_os_error(error), tool, time.monotonic() - started)
        seconds = time.monotonic() - started
        return CaseResult(case, result.report, None, tool, seconds, cached, reading.changed, result)

    def _unavailable(
        self, case: Case, error: SecurityError | ResourceError, tool: Tool | None, seconds: float
    ) -> CaseResult:
        return CaseResult(case, None, f"{error.message} ({error.hint})", tool, seconds, False)

    def _task(self, case: Case, reading: _Reading, scratch: Path) -> Task:
        own = self._surroundings
        copies = case.gate.place is Place.COPY
        (scratch / "tmp").mkdir()
        return Task(
            subject=case.subject,
            directory=scratch / "copy" if copies else self._checkout.root,
            files=tuple(sorted(reading.files)),
            scratch=scratch / "tmp",
            environment=own.own_environment if copies else own.environment,
            out=None if case.of_source else Path(self._checkout.path(case.subject)),
            python=own.python,
            view=replace(own.view, writable=(*own.view.writable, scratch)),
            timeout=own.timeout,
        )

    def _run(
        self, case: Case, reading: _Reading, task: Task, binding: Binding, started: float
    ) -> GateResult:
        at = datetime.now(UTC).isoformat(timespec="seconds")
        if case.gate.place is Place.COPY:
            task.directory.mkdir()
            copy_files(self._checkout.root, task.directory, reading.files, reading.replaced)
        try:
            report = case.gate.judge(task)  # 3
        finally:
            if case.gate.place is Place.COPY:
                remove_copy(task.directory)
        report = _in_utf8(_with_reasons(report, reading.missing))
        tree = self._read_tree() if reading.files else self.tree
        after = _Reading(self._checkout, tree, self._protection, case)  # 4
        if after.bind(binding.tool).key != binding.key:
            report = _with_reasons(report, [_changed(reading.files, after.files)])
        seconds = round(time.monotonic() - started, 3)
        result = GateResult(binding, report, at, seconds)
        self._store.keep(result)  # 5
        return result


def _with_reasons(report: Report, reasons: Sequence[str]) -> Report:
    """Return a report with more reasons that a part of the subject was not judged."""
    if not reasons:
        return report
    said = [report.unjudged] if report.unjudged is not None else []
    return replace(report, unjudged="; ".join([*said, *reasons]))


def _changed(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Say which files changed while a gate ran."""
    paths = sorted({path for path, _ in before.items() ^ after.items()})
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return "files changed while the gate ran" + (f": {', '.join(paths[:3])}{more}" if paths else "")


def _in_utf8(report: Report) -> Report:
    """Return a report that can be written as JSON: bytes of other file names are escaped."""
    findings = tuple(
        replace(one, path=escape_bytes(one.path), message=escape_bytes(one.message))
        for one in report.findings
    )
    unjudged = escape_bytes(report.unjudged) if report.unjudged is not None else None
    return replace(report, findings=findings, unjudged=unjudged)


class _Reading:
    """The files that a gate reads for a case, with their present digests.

    Attributes:
        files: sha256 of the files of the source tree, by path.
        replaced: bytes of the protected branch's configuration files, which apply, by path.
        changed: configuration files of the tree that do not apply, because they differ.
        missing: reasons that a file could not be read.
    """

    def __init__(
        self, checkout: Checkout, tree: SourceTree, protection: Protection, case: Case
    ) -> None:
        self._checkout = checkout
        self._case = case
        gate = case.gate
        self.files = tree.select(gate.reads)
        unread = tree.missing_for(gate.reads) if self.files or case.of_source else {}
        self.missing = [f"{reason}: {path}" for path, reason in sorted(unread.items())]
        self.replaced: dict[str, bytes] = {}
        self.changed: tuple[str, ...] = ()
        ruling = None
        if gate.place is Place.COPY:
            ruling = protection.configuration(tree, gate.configures)
        if ruling is not None:
            self._rule(ruling, gate.configures)

    def _rule(self, ruling: Mapping[str, bytes], configures: Callable[[str], bool]) -> None:
        digests = {path: digest_bytes(content).sha256 for path, content in ruling.items()}
        own = {path: sha256 for path, sha256 in self.files.items() if configures(path)}
        self.changed = tuple(sorted({path for path, _ in own.items() ^ digests.items()}))
        self.replaced = dict(ruling)
        for path in own:
            del self.files[path]
        self.files |= digests

    def bind(self, tool: Tool) -> Binding:
        """Return the binding of a result.

        Raises:
            GateError: the out does not exist.
        """
        entries = [*self.files.items(), *((text, _digest(text)) for text in self.missing)]
        gate, subject = self._case.gate, self._case.subject
        if gate.kind is Kind.SOURCE:
            return Binding(gate.name, subject, digest_tree(entries), {}, tool)
        content = self._checkout.read(subject)
        if content is None:
            raise GateError(f"missing out: {subject}", "create it: ml-assets run")
        inputs = {}
        if entries:
            # The gate runs the project's code, which may read any data.
            inputs = {"source": digest_tree(entries), "outs": self._digest_outs()}
        return Binding(gate.name, subject, content.sha256, inputs, tool)

    def _digest_outs(self) -> str:
        found = (
            (location, self._checkout.read(location))
            for location in self._checkout.manifest.producer
            if "://" not in location
        )
        return digest_tree((place, content.sha256) for place, content in found if content)


def _digest(text: str) -> str:
    return digest_bytes(text.encode("utf-8", "surrogateescape")).sha256
