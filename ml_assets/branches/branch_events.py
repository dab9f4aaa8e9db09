"""The record of a branch run in Dagster, under the versions of the run's own commit.

Results that an op yields would get the code version of the definitions, which may be of another
commit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
)

from ml_assets.branches.commit_link import commit_url
from ml_assets.branches.graph_at_commit import CommitGraph
from ml_assets.branches.watch import Watch
from ml_assets.gating.evaluation import Gating
from ml_assets.graph.translator import SOURCE_VERSION, Asset, Key, signed_key
from ml_assets.orchestration.asset_page.proof_metadata import proof_metadata
from ml_assets.orchestration.checks import report_evaluations
from ml_assets.proof.store import Proofs
from resources.dvc.cache.content import Content
from security.content.printable import printable
from security.policy.decision import CaseDecision


@dataclass(frozen=True)
class BranchRecord:
    """Records one run."""

    watch: Watch
    graph: CommitGraph
    commit: str
    context: dg.AssetExecutionContext

    def record_source(self) -> None:
        """Record the commit as the source."""
        mirror = self.watch.mirror
        author = mirror.read_author(self.commit)
        subject = mirror.read_message(self.commit).partition("\n")[0]
        values: dict[str, Any] = {
            "subject": dg.MetadataValue.text(printable(subject, 200)),
            "author": dg.MetadataValue.text(printable(author.name, 100)),
        }
        self._record(self.graph.source, values, SOURCE_VERSION, self.commit)

    def record_made(self, asset: Asset, made: dg.MaterializeResult[Any]) -> None:
        """Record an out that a stage made or found up to date."""
        version = made.data_version.value if made.data_version else asset.code_version
        self._record(asset.key, made.metadata or {}, version, asset.code_version, made.tags or {})

    def record_signed(self, location: str) -> None:
        """Record a signed model."""
        content = self.graph.checkout.read(location)
        if content is not None:
            values = {
                "sha256": content.sha256,
                "verify": f"ml-assets verify sha256:{content.sha256}",
            }
            key = signed_key(self.graph.project.branch, location)
            self._record(key, values, content.sha256, "signed")

    def record_proven(self, proofs: Proofs, contents: Mapping[str, Content]) -> None:
        """Record the statements about outs, which are signed at the end of the run.

        Args:
            contents: of the outs, by location.
        """
        keys = {asset.location: asset.key for asset in self.graph.assets}
        with proofs.records() as records:
            found = {
                location: proof_metadata(records, content, proofs.place)
                for location, content in contents.items()
                if content.sha256
            }
        for location, values in found.items():
            if values:
                key = dg.AssetKey(keys[location])
                self.context.log_event(
                    dg.AssetObservation(key, metadata={**self._commit, **values})
                )

    def record_decisions(self, gating: Gating, decisions: Sequence[CaseDecision]) -> None:
        """Record decisions, for the UI to show beside the assets."""
        kinds = gating.kit.kinds
        report_evaluations(
            self.context.instance, self.graph.source, kinds, decisions, self.graph.assets
        )

    @property
    def _commit(self) -> dict[str, dg.MetadataValue]:
        url = commit_url(self.watch.url, self.commit)
        link = dg.MetadataValue.url(url) if url else dg.MetadataValue.text(self.commit)
        return {"commit": link}

    def _record(
        self,
        key: Key,
        values: Mapping[str, Any],
        data_version: str,
        code_version: str,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        versions = {
            DATA_VERSION_TAG: data_version,
            CODE_VERSION_TAG: code_version,
            DATA_VERSION_IS_USER_PROVIDED_TAG: "true",
        }
        self.context.log_event(
            dg.AssetMaterialization(
                dg.AssetKey(key),
                metadata={**self._commit, **values},
                tags={**(tags or {}), **versions},
            )
        )
