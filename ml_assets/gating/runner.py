"""The judge: runs gates on what a checkout holds, each digest once.

One judgement, whoever asks for it:

1. What the gate reads is digested, and with the tool that would judge it makes the binding.
2. A sealed result of just this binding is taken from the store, if it was judged to the end.
3. Otherwise the tool runs: in a private copy of just these bytes, or in the checkout.
4. Whatever was digested is looked at again; what has changed meanwhile was not judged.
5. The result is sealed and stored.
"""

from __future__ import annotations

import tempfile
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
from security.errors import SecurityError
from security.gates.interface import Gate, GateError, Kind, Place, Report, Task, Tool
from security.gates.registry import seconds_of
from security.statements.gate_result import Binding, GateResult

SOURCE = "source"


@dataclass(frozen=True)
class Case:
    """A gate and what it is to judge: ``source``, or the location of an out."""

    gate: Gate
    subject: str

    @property
    def key(self) -> tuple[str, str]:
        """Say which it is: the gate's name and the subject."""
        return self.gate.name, self.subject

    @property
    def of_source(self) -> bool:
        """Whether it is about the source tree; an out may be called so as well."""
        return self.gate.kind is Kind.SOURCE


def longest_first(cases: Iterable[Case]) -> list[Case]:
    """Return cases, longest first, so that no processor waits for the longest one at the end."""
    return sorted(cases, key=lambda case: -seconds_of(case.gate.name))


@dataclass(frozen=True)
class CaseResult:
    """What came of a case.

    Attributes:
        report: None where nothing could be judged.
        unavailable: why, with what to do about it.
        cached: it is the stored result of an earlier judgement.
        result: the report with what it is bound to; None where there is none.
        changed: configuration that differs from the protected branch's, which was used.
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
    """What gates may use.

    Attributes:
        python: the interpreter of the project's environment, absolute.
        environment: variables for tools of the project.
        own_environment: variables for our own tools.
        denied: what no process of a gate may read or write.
        timeout: seconds.
    """

    python: Path | None
    environment: Mapping[str, str]
    own_environment: Mapping[str, str]
    denied: tuple[Path, ...]
    timeout: float = 600.0


class Judge:
    """Judges cases of one checkout. Safe for threads.

    Args:
        code: locations that stages read as code although Git may ignore them.
        listing: the paths of the source tree, where nothing was written since.
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
        """Read the source tree anew, where a file of it has changed."""
        if not self.tree.is_current(self._checkout.store):
            self.tree = self._read_tree()

    def judge(self, case: Case) -> CaseResult:
        """Judge a case, from the store if it was judged before."""
        started = time.monotonic()
        reading = _Reading(self._checkout, self.tree, self._protection, case)
        tool: Tool | None = None
        try:
            if not case.of_source:
                # The project's own code may read any data.
                self._checkout.supply(*self._outs if reading.files else (case.subject,))
            with tempfile.TemporaryDirectory(prefix="ml-assets-gate-") as scratch:
                task = self._task(case, reading, Path(scratch))
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
            denied=own.denied,
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
        report = _with_reasons(report, reading.missing)
        tree = self._read_tree() if reading.files else self.tree
        after = _Reading(self._checkout, tree, self._protection, case)  # 4
        if after.bind(binding.tool).key != binding.key:
            report = _with_reasons(report, ["what was judged has changed meanwhile"])
        seconds = round(time.monotonic() - started, 3)
        result = GateResult(binding, report, at, seconds)
        self._store.keep(result)  # 5
        return result


def _with_reasons(report: Report, reasons: Sequence[str]) -> Report:
    """Return a report that also says why a part of the thing was not judged."""
    if not reasons:
        return report
    said = [report.unjudged] if report.unjudged is not None else []
    return replace(report, unjudged="; ".join([*said, *reasons]))


class _Reading:
    """What a gate reads of a case, as it is now, with its digests.

    Attributes:
        files: sha256 of the files of the source tree, by path.
        replaced: bytes of configuration files that rule in place of the tree's, by path.
        changed: configuration of the tree that does not rule because it differs.
        missing: why something that the gate would read could not be read.
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
        """Return what a result would be bound to.

        Raises:
            GateError: the out is not there.
        """
        entries = [*self.files.items(), *((text, _digest(text)) for text in self.missing)]
        gate, subject = self._case.gate, self._case.subject
        if gate.kind is Kind.SOURCE:
            return Binding(gate.name, subject, digest_tree(entries), {}, tool)
        content = self._checkout.read(subject)
        if content is None:
            raise GateError(f"nothing is there: {subject}", "make it: ml-assets run")
        inputs = {}
        if entries:
            # It runs the project's own code, which may read any data.
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
