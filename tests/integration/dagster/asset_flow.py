"""A small flow of data as Dagster assets: build it, run it through Dagster, ask what is stale."""

import os
from collections.abc import Iterable
from pathlib import Path

import dagster as dg
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from ml_assets.definitions import build_definitions
from ml_assets.project.project import Project
from tests.unit.resources.dvc_project import DvcProject

PLOT = "epoch,loss\\n1,0.5\\n2,0.25\\n3,0.1\\n"


def build_flow(project: DvcProject) -> None:
    """Write raw data, code, parameters, four stages, and everything that the UI shows."""
    project.write("raw.txt", "b\na\n")
    project.write("code.sh", "sort raw.txt > sorted.txt\n")
    project.write("params.yaml", "rate: 0.5\nunused: 1\n")
    project.add("raw.txt")
    project.stages(
        {
            "prepare": {
                "cmd": "sh code.sh",
                "deps": ["raw.txt", "code.sh"],
                "outs": ["sorted.txt"],
                "desc": "sorts the raw data",
            },
            "train": {
                "cmd": "mkdir -p model; cp sorted.txt model/weights",
                "deps": ["sorted.txt"],
                "params": ["rate"],
                "outs": ["model"],
            },
            "evaluate": {
                "cmd": [
                    'echo \'{"accuracy": 0.75, "deep": {"count": 3}, "name": "x"}\' > m.json',
                    f"printf '{PLOT}' > loss.csv",
                ],
                "deps": ["model"],
                "metrics": [{"m.json": {"cache": False}}],
                "plots": [{"loss.csv": {"x": "epoch", "y": "loss"}}],
            },
            "other": {"cmd": "echo other > other.txt", "outs": ["other.txt"]},
        }
    )
    project.commit()


class Flow:
    """A repository as Dagster sees it, with an instance that remembers what it was told."""

    def __init__(self, repository: DvcProject, instance: dg.DagsterInstance) -> None:
        self.repository = repository
        self.instance = instance

    @property
    def root(self) -> Path:
        """The root of the repository."""
        return self.repository.root

    def definitions(self) -> dg.Definitions:
        """Build the definitions of the working tree as it is now."""
        return build_definitions(Project(self.root))

    def materialize(self, selection: str = "*") -> dg.ExecuteInProcessResult:
        """Materialize assets in this process; a failure is in the result."""
        chosen = dg.AssetSelection.from_string(selection)
        definitions = self.definitions()
        job = dg.define_asset_job("chosen", selection=chosen)
        jobs = [*(definitions.jobs or []), job]
        runnable = dg.Definitions(
            assets=definitions.assets,
            jobs=jobs,
            resources=definitions.resources,
            executor=dg.in_process_executor,
        )
        return runnable.resolve_job_def("chosen").execute_in_process(
            instance=self.instance, raise_on_error=False
        )

    def statuses(self) -> dict[str, str]:
        """Return Dagster's word on each out: fresh, stale or missing, by location."""
        graph = self.definitions().resolve_asset_graph()
        resolver = CachingStaleStatusResolver(
            self.instance, graph, LoadingContextForTest(self.instance)
        )
        names = {StaleStatus.FRESH: "fresh", StaleStatus.STALE: "stale"}
        return {
            location(key): names.get(resolver.get_status(key), "missing")
            for key in graph.materializable_asset_keys
        }

    def changed(self) -> set[str]:
        """Return the stages that a real ``dvc status`` finds changed."""
        with self.repository.dvc() as repo:
            return {name.rpartition(":")[2] for name in repo.status()}


def location(key: dg.AssetKey | None) -> str:
    """Return the path of an asset on the branch ``main``."""
    assert key is not None and key.path[0] == "main"
    return "/".join(key.path[1:])


def materialized(result: dg.ExecuteInProcessResult) -> set[str]:
    """Return the locations that a run has recorded."""
    return {location(event.asset_key) for event in result.get_asset_materialization_events()}


def last(result: dg.ExecuteInProcessResult, name: str) -> dg.AssetMaterialization:
    """Return what a run recorded of one location."""
    events = result.get_asset_materialization_events()
    (found,) = (e.materialization for e in events if location(e.asset_key) == name)
    return found


def files(root: Path, names: Iterable[str]) -> dict[str, bytes]:
    """Return the bytes of some files."""
    return {name: (root / name).read_bytes() for name in names}


def command_environment(**more: str) -> dict[str, str]:
    """Return this process's environment without what would lead a command elsewhere."""
    hidden = ("DAGSTER_", "ML_ASSETS_", "PYTEST_", "PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    return {**kept, **more}
