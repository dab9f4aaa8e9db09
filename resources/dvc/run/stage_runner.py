"""The stage runner: brings one stage up to date and returns its result.

1. Check whether the stage is stale, as DVC does. Skip a fresh stage.
2. Place absent inputs. Look for an earlier run with the same inputs. Without one, the stage must be
   admitted: its inputs must have passed their gates.
3. Remove the outs, unless they persist.
4. Restore the outs from DVC's cache if possible, and verify each object against its name.
   Otherwise run the commands, one after another, in the shell that DVC uses.
5. Hash deps and outs outside of the stage's process. Add the outs to the cache and the entry to the
   run cache. Return the lock entry; ``dvc.lock`` is not written here.
6. Attest the run before the result is returned, so that no result lacks its provenance.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from resources.dvc.cache.content import Content
from resources.dvc.checkout.checkout import Checkout
from resources.dvc.checkout.source_data import obtain_source
from resources.dvc.graph.manifest import Out, Stage
from resources.dvc.lock.lock_file import LockEntry
from resources.dvc.reuse import Reuse
from resources.dvc.run.admission import Admission
from resources.dvc.run.attestation import Attestation
from resources.dvc.run.metric_file import refuse_binary
from resources.dvc.run.observation import Observation
from resources.dvc.run.stage_commands import StageCommands
from resources.dvc.run.stage_environment import StageEnvironment
from resources.dvc.run.stage_limits import StageLimits
from resources.dvc.run.stage_process import Cancellation, Usage
from resources.dvc.run.stage_result import Action, StageResult, leave
from resources.dvc.staleness import freshness, inputs
from resources.dvc.staleness.comparison import compare_runs
from resources.dvc.staleness.restoration import find_restorable
from resources.errors import (
    MissingInputError,
    MissingOutError,
    StageError,
    UnavailableError,
    wrap_os_error,
)
from security.sandbox.file_view import FileView

if TYPE_CHECKING:
    from resources.dvc.dvc_fallback import DvcFallback


class StageRunner:
    """Runs single stages of one checkout. Safe for threads.

    Args:
        admission: admits each stage before its commands run.
        attestation: states the run of each stage.
        environment: variables of the stage processes.
        view: what they see of the files, if the system supports confinement.
        on_line: called with a stage name and one line of its output.
        cancellation: stops running commands.
        limits: time limits and retries, by stage name.
        tracked: absolute paths of outs that Git tracks, which DVC does not cache.
        visible: absolute paths of outs that Git does not ignore yet.
        outside: absolute paths of outs behind a link that leads out of the repository.
    """

    def __init__(
        self,
        checkout: Checkout,
        *,
        admission: Admission,
        attestation: Attestation,
        environment: StageEnvironment,
        view: FileView | None = None,
        on_line: Callable[[str, str], None],
        cancellation: Cancellation,
        limits: Mapping[str, StageLimits],
        tracked: frozenset[str] = frozenset(),
        visible: frozenset[str] = frozenset(),
        outside: frozenset[str] = frozenset(),
    ) -> None:
        self._checkout = checkout
        self._admission = admission
        self._attestation = attestation
        self._commands = StageCommands(checkout, environment, on_line, cancellation, limits, view)
        self._tracked = tracked
        self._visible = visible
        self._outside = outside

    def run(self, stage: Stage, reuse: Reuse = Reuse()) -> StageResult:
        """Bring one stage up to date, after its upstream stages.

        Args:
            reuse: what to take over from earlier runs.

        Raises:
            ResourceError: the stage failed, was not admitted, or could not start.
        """
        result = self._run(stage, reuse)
        self._admission.note(stage, result.contents)
        if result.action is not Action.SKIP:
            self._attestation.attest(stage, result)  # 6
            if result.entry is not None and result.observed is not None:
                changed = result.observed.describe_changed()
                self._checkout.changed_deps.note(stage, result.entry, changed)
        return result

    def _run(self, stage: Stage, reuse: Reuse) -> StageResult:
        try:
            if not freshness.is_native(self._checkout, stage):
                return self._run_fallback(stage, reuse)
            reasons = freshness.find_reasons(self._checkout, stage)
            if not reasons and not reuse.force:
                return self._leave(stage)
            self._supply(stage)
            if stage.is_source:
                return self._renew_source(stage, reasons)
            if stage.frozen:
                return self._renew_frozen(stage, reasons)
            return self._run_native(stage, reasons or ["forced"], reuse)
        except OSError as error:
            wrapped = wrap_os_error(error)
            raise UnavailableError(f"{stage.name}: {wrapped.message}", wrapped.hint) from error

    def _leave(self, stage: Stage) -> StageResult:
        return leave(self._checkout, (out.location for out in stage.outs))

    def _supply(self, stage: Stage) -> None:
        """Place the inputs of a stage, and the outs that it must keep."""
        kept = stage.frozen or stage.is_source
        self._checkout.supply(
            *(dep.location for dep in stage.deps),
            *(out.location for out in stage.outs if out.persist or kept),
        )

    def _run_native(self, stage: Stage, reasons: list[str], reuse: Reuse) -> StageResult:
        self._refuse_outs(stage)
        start = inputs.read_inputs(self._checkout, stage)
        observation = Observation(self._checkout, stage)
        found = find_restorable(self._checkout, stage, start, reuse)
        if found is not None and not self._take(stage, found):
            found = None
        usage = None
        if found is None:
            self._admission.admit(stage)
            self._remove_outs(stage)
            usage = self._commands.run(stage, self._remove_outs)
        entry = inputs.read_inputs(self._checkout, stage)
        contents = self._written(stage)
        if stage.outs:
            entry["outs"] = inputs.out_entries(stage, contents)
        observed = observation.end(self._commands if found is None else None)
        self._keep(stage, entry, contents, is_reusable=not observed.changed)
        recorded = self._checkout.recorded(stage) if found is None else None
        return StageResult(
            Action.RUN if found is None else Action.RESTORE,
            tuple(reasons),
            entry,
            contents,
            tuple(p for p in map(self._out_path, stage.outs) if p in self._visible),
            usage,
            compare_runs(stage, recorded, entry),
            observed,
        )

    def _run_fallback(self, stage: Stage, reuse: Reuse) -> StageResult:
        fallback = self._fallback
        reasons = fallback.find_reasons(stage, self._checkout.find_absent(stage))
        reasons += freshness.find_changed(self._checkout, stage)
        if not reasons and not reuse.force:
            return self._leave(stage)
        self._supply(stage)
        if stage.is_source:
            return self._renew_source(stage, reasons)
        if stage.frozen:
            return self._renew_frozen(stage, reasons)
        # Admit in any case: DVC removes the outs before it decides between restore and run.
        self._admission.admit(stage)
        observation = Observation(self._checkout, stage)
        usages: list[Usage] = []
        restored, entry, ignored = fallback.run(
            stage, lambda: usages.append(self._commands.run(stage, self._remove_outs)), reuse
        )
        return StageResult(
            Action.RESTORE if restored else Action.RUN,
            tuple(reasons),
            entry,
            self._contents(stage),
            tuple(ignored),
            usages[0] if usages else None,
            observed=observation.end(None if restored else self._commands),
        )

    def _renew_source(self, stage: Stage, reasons: list[str]) -> StageResult:
        missing = any(self._checkout.read(out.location) is None for out in stage.outs)
        if missing and all(out.recorded for out in stage.outs):
            obtain_source(self._checkout, stage)
            self._fallback.fetch(stage)
            return StageResult(Action.RESTORE, tuple(reasons), contents=self._contents(stage))
        ignored = self._fallback.update(stage)
        contents = self._contents(stage)
        return StageResult(Action.RUN, tuple(reasons), None, contents, tuple(ignored))

    def _renew_frozen(self, stage: Stage, reasons: list[str]) -> StageResult:
        for out in stage.outs:
            if self._checkout.read(out.location) is None:
                raise MissingInputError(
                    f"{stage.name}: missing out of a frozen stage: {out.location}",
                    f"fetch it: dvc pull {out.location}; or run it: dvc unfreeze {stage.name}",
                )
        ignored = self._fallback.update(stage)
        entry = self._fallback.entry(stage)
        return StageResult(Action.RUN, tuple(reasons), entry, self._contents(stage), tuple(ignored))

    @property
    def _fallback(self) -> DvcFallback:
        return self._checkout.fallback

    def _out_path(self, out: Out) -> str:
        return self._checkout.path(out.location)

    def _contents(self, stage: Stage) -> dict[str, Content]:
        local = [out for out in stage.outs if "://" not in out.location]
        found = {out.location: self._checkout.read(out.location) for out in local}
        return {location: content for location, content in found.items() if content is not None}

    def _refuse_outs(self, stage: Stage) -> None:
        for out in stage.outs:
            if out.cache and self._out_path(out) in self._outside:
                raise StageError(
                    f"{stage.name}: a link leads out of the repository: {out.location}",
                    f"declare an out in the repository, or set cache: false in {stage.file}",
                )
            if out.cache and self._out_path(out) in self._tracked:
                raise StageError(
                    f"{stage.name}: Git tracks an out: {out.location}",
                    f"git rm -r --cached '{out.location}'; or set cache: false in {stage.file}",
                )

    def _take(self, stage: Stage, found: LockEntry) -> bool:
        """Restore the outs; return whether they may stay."""
        for out in found.get("outs", ()):
            self._checkout.cache.verify_all(out["md5"])
        self._remove_outs(stage)
        self._restore(stage, found)
        return self._attestation.believes(stage, self._written(stage))

    def _remove_outs(self, stage: Stage) -> None:
        for out in stage.outs:
            path = self._out_path(out)
            if out.persist:
                continue
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            elif os.path.lexists(path):
                os.unlink(path)

    def _restore(self, stage: Stage, found: LockEntry) -> None:
        by_path = {out["path"]: out for out in found["outs"]}
        for out in stage.outs:
            recorded = by_path[out.path]
            self._checkout.cache.take(
                recorded["md5"], self._out_path(out), executable=bool(recorded.get("isexec"))
            )

    def _written(self, stage: Stage) -> dict[str, Content]:
        contents: dict[str, Content] = {}
        for out in stage.outs:
            content = self._checkout.read(out.location)
            if content is None:
                raise MissingOutError(
                    f"{stage.name}: the command did not write an out: {out.location}",
                    f"write the file in the command, or remove it from outs in: {stage.file}",
                )
            contents[out.location] = content
            if out.role == "metric":
                refuse_binary(stage, out, self._out_path(out))
        return contents

    def _keep(
        self, stage: Stage, entry: LockEntry, contents: dict[str, Content], *, is_reusable: bool
    ) -> None:
        """Add the outs to the cache, and the entry to the run cache if it is true."""
        kept = inputs.keeps_runs(stage)
        for out in stage.outs:
            if out.cache or kept:
                self._checkout.cache.keep(self._out_path(out), contents[out.location])
        if kept and is_reusable:
            self._checkout.runs.keep(entry)
