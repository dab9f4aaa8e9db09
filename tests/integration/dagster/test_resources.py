"""The resources of the definitions: what a user configures is used by the ops."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ml_assets.branches.watch import watch_project
from ml_assets.definitions import build_watched_definitions
from ml_assets.orchestration.project_resource import ProjectResource
from ml_assets.orchestration.proof_store import ProofStoreResource
from ml_assets.project.project import Project
from tests.integration.dagster.asset_flow import Flow


def run(flow: Flow, run_config: dict[str, Any] | None = None, **resources: Any) -> bool:
    """Run the job of the branch with some resources in place of the definitions' own."""
    given = flow.definitions()
    definitions = dg.Definitions(
        assets=given.assets,
        jobs=given.jobs,
        resources={**(given.resources or {}), **resources},
        executor=dg.in_process_executor,
    )
    job = definitions.resolve_job_def("reproduce_main")
    result = job.execute_in_process(instance=flow.instance, run_config=run_config)
    return result.success


def statements(directory: Path) -> int:
    return len(list(directory.rglob("*.json")))


def test_definitions_of_a_working_tree_have_a_project_and_a_proof_store(flow: Flow) -> None:
    resources = flow.definitions().resources or {}

    assert resources == {
        "project": ProjectResource(root=str(flow.root)),
        "proof_store": ProofStoreResource(),
    }


def test_definitions_of_watched_branches_have_a_watch_and_a_proof_store(
    flow: Flow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    remote = tmp_path / "remote.git"
    flow.repository.git("clone", "--quiet", "--bare", str(flow.root), str(remote))
    flow.repository.git("remote", "add", "origin", str(remote))
    watch = watch_project(Project(flow.root))
    assert watch is not None
    watch.mirror.fetch(["main"], "main")

    definitions = build_watched_definitions(watch)

    resources: dict[str, Any] = dict(definitions.resources or {})
    assert set(resources) == {"watch", "proof_store"}
    assert resources["watch"].open() is watch
    (sensor,) = definitions.sensors or ()
    assert isinstance(sensor, dg.SensorDefinition) and sensor.required_resource_keys == {"watch"}
    ops = [node for node in definitions.assets or () if isinstance(node, dg.AssetsDefinition)]
    assert [one.required_resource_keys for one in ops] == [{"watch", "proof_store", "io_manager"}]


def test_other_project_is_run_in_place_of_the_one_that_was_loaded(
    flow: Flow, tmp_path: Path
) -> None:
    other = flow.repository.copy(tmp_path / "other")

    assert run(flow, project=ProjectResource(root=str(other.root)))

    assert (other.root / "sorted.txt").exists()
    assert not (flow.root / "sorted.txt").exists()


@pytest.mark.parametrize("how", ["definitions", "run configuration"])
def test_other_ledger_receives_the_statements(flow: Flow, tmp_path: Path, how: str) -> None:
    place = tmp_path / "ledger"
    own = flow.root / ".ml-assets" / "state" / "ledger"

    if how == "definitions":
        assert run(flow, proof_store=ProofStoreResource(ledger=str(place)))
    else:
        assert run(flow, {"resources": {"proof_store": {"config": {"ledger": str(place)}}}})

    assert statements(place) > 0
    assert statements(own) == 0
