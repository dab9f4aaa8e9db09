"""A branch's run: everything that Dagster is asked for on a branch happens at one commit.

1. The commit: the run's own, if it names one; the branch's head for a run of the whole branch; else
   the last commit of the branch that passed.
2. Who wants it: a commit that a sensor has asked for is run by one run, whatever daemons there are.
3. The checkout: a worktree of its own, with the lock files that earlier runs have written.
4. The stages run; each leaves its records in Dagster under the versions of this very commit.
5. The gates of the environment that the branch maps to judge; what that comes to is signed.
6. The outs go to the DVC remote, then the lock files to where whoever reads them finds the outs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
)

from ml_assets.branch import Graph, load_graph
from ml_assets.checks import report_evaluations
from ml_assets.conclusion import Conclusion
from ml_assets.gating import MATERIALIZE, Gating
from ml_assets.lock_files import find_locks, write_kept
from ml_assets.materialization import Materialization
from ml_assets.options import build_reproduction, open_admission, server_options
from ml_assets.proofs import Proofs
from ml_assets.reporter import Reporter
from ml_assets.rules import find_rules
from ml_assets.release import signed_key
from ml_assets.translator import Asset, Key
from ml_assets.watch import Watch
from ml_assets.web_address import commit_url
from ml_assets.write_back import Recorder
from resources.errors import ConfigurationError, ResourceError
from resources.mirror import VERIFIED, LostRaceError, Mirror
from security.decision import Judged
from security.errors import SecurityError
from security.printable import printable

#: Names the commit that a run is about.
COMMIT_TAG = "ml-assets/commit"
BRANCH_TAG = "ml-assets/branch"
#: Says what has asked for a run.
TRIGGER_TAG = "ml-assets/trigger"
SENSOR = "sensor"


class BranchRun:
    """One run on a watched branch.

    Args:
        context: of the op; without a selection of assets it is asked for the whole branch.
    """

    def __init__(
        self,
        watch: Watch,
        branch: str,
        context: dg.AssetExecutionContext,
        reporter: Reporter,
    ) -> None:
        self._watch = watch
        self._branch = branch
        self._context = context
        self._reporter = reporter
        self._whole = context.run.asset_selection is None

    def execute(self) -> None:
        """Run.

        Raises:
            dagster.Failure: a stage failed, a gate refused, or something could not be judged.
        """
        try:
            commit = self._find_commit()  # 1
            if not self._claim(commit):  # 2
                return
            self._execute(commit)
        except (ResourceError, SecurityError) as error:
            text = f"{error.message}\n  hint: {error.hint}"
            raise dg.Failure(description=text, allow_retries=False) from error

    def _execute(self, commit: str) -> None:
        context = self._context
        tags = {BRANCH_TAG: self._branch, COMMIT_TAG: commit}
        context.instance.add_run_tags(context.run.run_id, tags)
        graph = self._check_out(commit)  # 3
        selected = self._select(graph)
        proofs = Proofs(graph.project, self._reporter.notice)
        if self._whole:
            self._record_source(graph, commit)
        known = self._materialize(graph, selected, proofs)  # 4
        judged = self._judge(graph, selected, known, proofs)  # 5
        self._end(judged)
        Recorder(
            self._watch, graph, self._branch, commit, context.run.run_id, self._reporter.notice
        ).write_back()  # 6
        if self._whole:
            mark_verified(self._watch.mirror, self._branch, commit)

    def _check_out(self, commit: str) -> Graph:
        watch, notice = self._watch, self._reporter.notice
        project = watch.open_worktree(self._branch, commit)
        locks = find_locks(watch.mirror, self._branch, commit, watch.below, notice)
        if locks:
            write_kept(project.root, project.load_manifest(), locks)
        return load_graph(watch, self._branch, commit)

    def _find_commit(self) -> str:
        named = self._context.run.tags.get(COMMIT_TAG)
        mirror = self._watch.mirror
        if named:
            if not mirror.has(named):
                raise ConfigurationError(
                    f"not a commit of the watched repository: {named}", "name one that was pushed"
                )
            return named
        if self._whole:
            head = mirror.read_tracked(self._branch)
            if head is not None:
                return head
        passed = mirror.read_ref(f"{VERIFIED}/{self._branch}")
        if passed is None:
            raise ConfigurationError(
                f"no commit of {self._branch} has passed here yet",
                "push one, or launch the job of the whole branch",
            )
        return passed

    def _claim(self, commit: str) -> bool:
        """Whether this run is the one that runs a commit for a sensor: the first to ask.

        Two daemons on one storage may both have asked for it at the same moment.
        """
        if self._context.run.tags.get(TRIGGER_TAG) != SENSOR:
            return True
        run = self._context.run.root_run_id or self._context.run.run_id
        holder = claim(self._watch.home / "claims", f"{self._branch}@{commit}", run)
        if holder != run:
            self._context.log.warning(f"nothing to do: run {holder} has this commit")
        return holder == run

    def _select(self, graph: Graph) -> list[Asset]:
        if self._whole:
            return list(graph.assets)
        asked = {tuple(key.path) for key in self._context.selected_asset_keys}
        chosen = [asset for asset in graph.assets if asset.key in asked]
        missing = asked - {asset.key for asset in chosen} - {graph.source}
        if missing:
            names = ", ".join(sorted("/".join(key) for key in missing))
            raise ConfigurationError(
                f"not in the last commit that passed: {names}",
                "launch the job of the whole branch, then try again",
            )
        return chosen

    def _record_source(self, graph: Graph, commit: str) -> None:
        mirror = self._watch.mirror
        author = mirror.read_author(commit)
        subject = mirror.read_message(commit).partition("\n")[0]
        url = commit_url(self._watch.url, commit)
        values: dict[str, Any] = {
            "commit": dg.MetadataValue.url(url) if url else dg.MetadataValue.text(commit),
            "subject": dg.MetadataValue.text(printable(subject, 200)),
            "author": dg.MetadataValue.text(printable(author.name, 100)),
        }
        self._log(graph.source, values, commit, commit)

    def _log(
        self, key: Key, values: Mapping[str, Any], data_version: str, code_version: str, **tags: str
    ) -> None:
        """Tell Dagster of something that was made, under the versions of this run's commit.

        What an op yields would get the code version of the definitions, which may be older.
        """
        versions = {
            DATA_VERSION_TAG: data_version,
            CODE_VERSION_TAG: code_version,
            DATA_VERSION_IS_USER_PROVIDED_TAG: "true",
        }
        self._context.log_event(
            dg.AssetMaterialization(dg.AssetKey(key), metadata=values, tags={**tags, **versions})
        )

    def _materialize(self, graph: Graph, selected: Sequence[Asset], proofs: Proofs) -> list[Judged]:
        """Run the stages; return what gates have said meanwhile.

        Raises:
            dagster.Failure: a stage failed, or could not be tried.
        """
        if not selected:
            return []
        by_key = {dg.AssetKey(asset.key): asset for asset in selected}
        stages = list(dict.fromkeys(asset.stage for asset in selected))
        project, checkout = graph.project, graph.checkout
        admission = open_admission(project, checkout)
        options = server_options(
            project,
            checkout,
            stages,
            proofs,
            self._context.run.run_id,
            admission=admission,
            environment=self._environment(graph),
        )
        reproduction = build_reproduction(checkout, stages, options, self._reporter)
        run = Materialization(project, self._context, selected, reproduction, self._reporter)
        try:
            for made in run.run():
                asset = by_key[dg.AssetKey.from_coercible(made.asset_key or ())]
                version = made.data_version.value if made.data_version else asset.code_version
                self._log(
                    asset.key, made.metadata or {}, version, asset.code_version, **(made.tags or {})
                )
        finally:
            self._show(graph, admission.judged)
        return admission.judged

    def _environment(self, graph: Graph) -> str:
        """Return the environment whose gates a run asks: the branch's, for a whole run."""
        environments = find_rules(graph.project.root).policy.environments
        found = [name for name, one in environments.items() if one.branch == self._branch]
        return found[0] if found and self._whole else MATERIALIZE

    def _judge(
        self, graph: Graph, selected: Sequence[Asset], known: Sequence[Judged], proofs: Proofs
    ) -> list[Judged]:
        """Judge, and sign what the run comes to."""
        name = self._environment(graph)
        gating = Gating(
            graph.project, graph.checkout, environment=name, on_notice=self._reporter.notice
        )
        if name == MATERIALIZE:
            cases, absent = gating.cases_of_run([a.location for a in selected if a.location]), []
        else:
            cases = gating.cases()
            absent = gating.absent(cases)
        decided = list(gating.decide_all(cases, graph.project.settings.capacity))
        judged = {(one.decision.gate, one.decision.subject): one for one in known}
        judged |= {(one.decision.gate, one.decision.subject): one for one in (*absent, *decided)}
        self._show(graph, [*absent, *decided])
        graph.checkout.store.save()
        signed = self._prove(graph, selected, proofs, gating, list(judged.values()))
        for location in signed:
            self._record_signed(graph, location)
        return list(judged.values())

    def _prove(
        self,
        graph: Graph,
        selected: Sequence[Asset],
        proofs: Proofs,
        gating: Gating,
        judged: Sequence[Judged],
    ) -> list[str]:
        read = {
            asset.location: graph.checkout.read(asset.location)
            for asset in selected
            if asset.location and "://" not in asset.location
        }
        with proofs.records() as records:
            outs = {
                location: content
                for location, content in read.items()
                if content is not None and content.sha256 and records.origin(content.sha256)
            }
        signed = (
            Conclusion(graph.project, proofs, gating, self._reporter.notice).prove(judged, outs)
            if outs
            else []
        )
        proofs.conclude()
        return signed

    def _record_signed(self, graph: Graph, location: str) -> None:
        content = graph.checkout.read(location)
        if content is not None:
            values = {
                "sha256": content.sha256,
                "verify": f"ml-assets verify sha256:{content.sha256}",
            }
            self._log(signed_key(self._branch, location), values, content.sha256, "signed")

    def _show(self, graph: Graph, judged: Sequence[Judged]) -> None:
        gating_kinds = Gating(graph.project, graph.checkout).kit.kinds if judged else {}
        report_evaluations(self._context.instance, graph.source, gating_kinds, judged, graph.assets)

    def _end(self, judged: Sequence[Judged]) -> None:
        """Fail where a gate blocks."""
        blocking = [one.decision for one in judged if one.decision.blocks]
        if blocking:
            lines = [
                f"{one.gate} of {printable(one.subject)}: {one.verdict.value}: {one.reason}"
                for one in blocking
            ]
            raise dg.Failure(description="\n".join(lines), allow_retries=False)


def claim(directory: Path, name: str, holder: str) -> str:
    """Claim something for one holder for ever; return whose it is."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / name.replace("/", "%2F")
    own = directory / f".{holder}"
    own.write_text(holder, "utf-8")
    try:
        os.link(own, file)  # whole, or not at all
    except FileExistsError:
        return file.read_text("utf-8")
    finally:
        own.unlink()
    return holder


def mark_verified(mirror: Mirror, branch: str, commit: str) -> None:
    """Note that a commit has passed, unless a later one of the branch has already."""
    ref = f"{VERIFIED}/{branch}"
    old, head = mirror.read_ref(ref), mirror.read_tracked(branch)
    later = old is not None and old != commit and mirror.is_ancestor(commit, old)
    if later and head is not None and old is not None and mirror.is_ancestor(old, head):
        return
    try:
        mirror.write_ref(ref, commit, old)
    except LostRaceError:
        mark_verified(mirror, branch, commit)
