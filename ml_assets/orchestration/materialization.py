"""The materialization of selected assets: run their stages, yield Dagster's results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import dagster as dg
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
    NULL_EVENT_POINTER,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)

from ml_assets.graph.description import describe_assets
from ml_assets.graph.translator import SOURCE_VERSION, Asset, asset_key, source_key
from ml_assets.orchestration.asset_page import metadata
from ml_assets.orchestration.asset_page.report_page import page_metadata
from ml_assets.project.project import Project
from ml_assets.reporting.reporter import Reporter, describe_error
from resources.dvc.graph.manifest import Out
from resources.dvc.run.reproduction import StageRun
from resources.dvc.run.schedule import Finished
from resources.dvc.run.stage_result import Action, StageResult
from resources.errors import ResourceError, wrap_os_error


class Materialization:
    """One execution of an op."""

    def __init__(
        self,
        project: Project,
        context: dg.AssetExecutionContext,
        selected: Sequence[Asset],
        reproduction: StageRun,
        reporter: Reporter,
    ) -> None:
        self._context = context
        self._reproduction = reproduction
        self._reporter = reporter
        self._checkout = reproduction.checkout
        self._locations = {
            asset_key(project.branch, location): location
            for location in self._checkout.manifest.producer
            if "://" not in location
        }
        self._source = dg.AssetKey(source_key(project.branch, self._checkout.manifest))
        self._assets: dict[str, list[Asset]] = {}
        for asset in selected:
            self._assets.setdefault(asset.stage, []).append(asset)
        self._failures: list[Finished[StageResult]] = []
        self._fresh: list[tuple[Asset, StageResult]] = []
        self._project = project
        keys = [dg.AssetKey(asset.key) for asset in selected]
        self._known = _recorded_tags(context.instance, keys)

    def run(self) -> Iterator[dg.MaterializeResult[Any]]:
        """Run the selected stages; yield the results for Dagster to record.

        Raises:
            dagster.Failure: a stage failed or could not start.
        """
        _remember_output_keys(self._context)
        try:
            for finished in self._reproduction.run():
                self._reporter.finished(finished)
                yield from self._results(finished)
        except ResourceError as error:
            self._reporter.aborted(error)
            yield from self._describe_fresh()
            raise _failure(error) from error
        except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
            self._reporter.interrupted()
            raise
        except OSError as error:
            wrapped = wrap_os_error(error)
            self._reporter.aborted(wrapped)
            yield from self._describe_fresh()
            raise _failure(wrapped) from error
        if self._failures:
            yield from self._describe_fresh()
            raise self._failed()

    def _describe_fresh(self) -> Iterator[dg.MaterializeResult[Any]]:
        """Describe the up-to-date assets of a run that fails.

        Dagster shows each asset of a failed run without a result as failed.
        """
        for asset, result in self._fresh:
            yield self._describe(asset, result, {})

    def _results(self, finished: Finished[StageResult]) -> Iterator[dg.MaterializeResult[Any]]:
        if finished.result is None:
            self._failures.append(finished)
            if finished.error is not None:
                self._context.log.error(str(finished.error))
            return
        chosen = [a for a in self._assets[finished.name] if self._is_new(a, finished.result)]
        pictures = self._draw(chosen)
        for asset in chosen:
            yield self._describe(asset, finished.result, pictures)
        self._fresh += [
            (asset, finished.result) for asset in self._assets[finished.name] if asset not in chosen
        ]
        if finished.result.action is not Action.SKIP:
            self._record_siblings(finished.name, finished.result)

    def _record_siblings(self, stage: str, result: StageResult) -> None:
        """Record the outs of a stage that were not selected."""
        asked = {asset.key for asset in self._assets[stage]}
        siblings = [a for a in self._all if a.stage == stage and a.key not in asked]
        pictures = self._draw(siblings)
        for asset in siblings:
            described = self._describe(asset, result, pictures)
            self._context.log_event(
                dg.AssetMaterialization(
                    asset_key=dg.AssetKey(asset.key),
                    metadata=described.metadata,
                    tags={**self._provenance(asset), **version_tags(asset, result)},
                )
            )

    @cached_property
    def _all(self) -> list[Asset]:
        """All assets of the project, described on first use."""
        return describe_assets(self._project, self._checkout)

    def _is_new(self, asset: Asset, result: StageResult) -> bool:
        """Whether Dagster must record an asset: a fresh one only with unrecorded bytes."""
        known = self._known.get(dg.AssetKey(asset.key), {})
        wanted = {**self._provenance(asset), **version_tags(asset, result)}
        return result.action is not Action.SKIP or not wanted.items() <= known.items()

    def _describe(
        self, asset: Asset, result: StageResult, pictures: Mapping[str, bytes]
    ) -> dg.MaterializeResult[Any]:
        values = metadata.result_metadata(result, result.identify(asset.location or ""))
        if asset.location is not None:
            values.update(self._shown(asset.location, pictures))
        return dg.MaterializeResult(
            asset_key=dg.AssetKey(asset.key),
            data_version=dg.DataVersion(data_version(asset, result)),
            metadata=values,
            tags=self._provenance(asset),
        )

    def _shown(
        self, location: str, pictures: Mapping[str, bytes]
    ) -> dict[str, dg.MetadataValue[Any]]:
        """Return metrics, plots and pages of an out."""
        path = self._checkout.root / location
        out = self._out(location)
        if out.role == "metric" or location in self._checkout.manifest.metrics:
            return {**metadata.metric_metadata(path), **page_metadata(path)}
        ids = metadata.plot_ids(self._checkout.manifest, out)
        if not ids:
            return page_metadata(path)
        shown = {**metadata.table_metadata(path), **page_metadata(path)}
        for name in sorted(ids & set(pictures)):
            shown.update(metadata.image_metadata(name, pictures[name]))
        return shown

    def _draw(self, assets: Sequence[Asset]) -> dict[str, bytes]:
        """Draw all plots of some assets at once, as PNG images by DVC's ids."""
        manifest = self._checkout.manifest
        outs = [self._out(asset.location) for asset in assets if asset.location is not None]
        ids = {name for out in outs for name in metadata.plot_ids(manifest, out)}
        if not ids:
            return {}
        from resources.dvc.graph.plots import render_plots

        try:
            return {
                image.id: image.png
                for image in render_plots(self._checkout.root, self._checkout.remotes, ids)
            }
        except ResourceError as error:
            # Plots are display: the stage succeeds without them, and the log says why.
            self._context.log.warning(f"{error.message}: {error.hint}")
            return {}

    def _out(self, location: str) -> Out:
        stage = self._checkout.manifest.producer[location]
        return next(out for out in stage.outs if out.location == location)

    def _provenance(self, asset: Asset) -> dict[str, str]:
        """Return the data versions of an asset's deps, in the tags that Dagster's staleness reads.

        Dagster would query its storage for every dep of every asset.
        """
        versions = {} if asset.deps else {self._source: SOURCE_VERSION}
        for key in asset.deps:
            at = self._locations.get(key)
            known = self._checkout.identify(at) if at is not None else None
            if known is not None:
                versions[dg.AssetKey(key)] = known.md5
        tags = {get_input_data_version_tag(key): version for key, version in versions.items()}
        # Dagster reads an input's version only beside a pointer to its event.
        return tags | {get_input_event_pointer_tag(key): NULL_EVENT_POINTER for key in versions}

    def _failed(self) -> dg.Failure:
        errors = [f.error for f in self._failures if f.error is not None]
        blocked = [f.name for f in self._failures if f.blocked_by is not None]
        text = "\n".join(_describe_failure(one) for one in self._failures if one.error is not None)
        if blocked:
            text += f"\nnot run because of a failed stage: {', '.join(blocked)}"
        failure = dg.Failure(description=text, allow_retries=False)
        failure.__cause__ = errors[0] if errors else None
        return failure


def _describe_failure(failed: Finished[StageResult]) -> str:
    """Describe a failure with the name of its stage."""
    text = describe_error(failed.error) if failed.error is not None else ""
    return text if text.startswith(f"{failed.name}: ") else f"{failed.name}: {text}"


def _remember_output_keys(context: dg.AssetExecutionContext) -> None:
    """Collect the keys of a step's outputs once instead of once for each output.

    The keys do not change while a step runs, but Dagster collects all of them for each output:
    1,000 assets would cost a million look-ups.
    """
    step: Any = context.get_step_execution_context()
    keys = step.get_output_asset_keys()
    step.get_output_asset_keys = lambda: keys


def data_version(asset: Asset, result: StageResult) -> str:
    """Return the data version of an asset: DVC's hash of its bytes."""
    known = result.identify(asset.location or "")
    return known.md5 if known is not None else asset.code_version


def version_tags(asset: Asset, result: StageResult) -> dict[str, str]:
    """Return the tags of an asset's data version and code version."""
    return {
        DATA_VERSION_TAG: data_version(asset, result),
        CODE_VERSION_TAG: asset.code_version,
        DATA_VERSION_IS_USER_PROVIDED_TAG: "true",
    }


def _recorded_tags(
    instance: dg.DagsterInstance, keys: Sequence[dg.AssetKey]
) -> dict[dg.AssetKey, Mapping[str, str]]:
    tags: dict[dg.AssetKey, Mapping[str, str]] = {}
    for record in instance.get_asset_records(keys) if keys else ():
        event = record.asset_entry.last_materialization
        tags[record.asset_entry.asset_key] = (event.tags or {}) if event is not None else {}
    return tags


def _failure(error: ResourceError) -> dg.Failure:
    return dg.Failure(description=describe_error(error), allow_retries=False)
