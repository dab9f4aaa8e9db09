"""Definitions: what Dagster is shown of a repository before anything has run."""

import dagster as dg

from ml_assets.definitions import build_definitions
from ml_assets.project.project import Project
from tests.integration.dagster.asset_flow import Flow, location

OUTS = {"raw.txt", "sorted.txt", "model", "m.json", "loss.csv", "other.txt"}


def test_every_out_is_an_asset_with_its_lineage(flow: Flow) -> None:
    graph = flow.definitions().resolve_asset_graph()

    parents = {
        location(key): {location(parent) for parent in graph.get(key).parent_keys}
        for key in graph.materializable_asset_keys
    }
    assert parents == {
        "raw.txt": {"source"},
        "sorted.txt": {"raw.txt"},
        "model": {"sorted.txt"},
        "m.json": {"model"},
        "loss.csv": {"model"},
        "other.txt": {"source"},
    }


def test_assets_carry_what_people_look_for(flow: Flow) -> None:
    graph = flow.definitions().resolve_asset_graph()

    node = graph.get(dg.AssetKey(["main", "sorted.txt"]))

    assert node.description == "sorts the raw data"
    assert node.group_name == "main_prepare"
    assert node.kinds == {"dvc"}
    assert node.metadata["dvc/command"] == "sh code.sh"
    assert node.code_version


def checks(flow: Flow) -> set[tuple[str, str]]:
    keys = flow.definitions().resolve_asset_graph().asset_check_keys
    return {(location(key.asset_key), key.name) for key in keys}


def test_source_is_an_asset_with_the_checks_of_its_gates_and_no_run_makes_it(flow: Flow) -> None:
    graph = flow.definitions().resolve_asset_graph()

    node = graph.get(dg.AssetKey(["main", "source"]))

    assert not node.is_materializable
    assert not node.parent_keys
    assert node.kinds == {"git"}
    assert node.metadata["commit"] == flow.repository.git("rev-parse", "HEAD")
    assert checks(flow) == {
        ("source", "dependencies"),
        ("source", "secrets"),
        ("raw.txt", "data"),
    }

    flow.repository.write("code.py", "import os\n")

    names = {name for key, name in checks(flow)}
    assert {"format", "lint", "types", "code_security"} <= names


def test_out_that_is_called_source_is_not_taken_for_the_source(flow: Flow) -> None:
    flow.repository.write("source", "data\n")
    flow.repository.add("source")

    result = execute_checks(flow)

    graph = flow.definitions().resolve_asset_graph()
    assert {location(key) for key in graph.get_all_asset_keys()} == {*OUTS, "source", "source.tree"}
    assert result == {
        ("source.tree", "dependencies"): "passed",
        ("source.tree", "secrets"): "passed",
        ("raw.txt", "data"): "passed",
        ("source", "data"): "passed",
    }


def execute_checks(flow: Flow) -> dict[tuple[str, str], str]:
    job = flow.definitions().resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(instance=flow.instance)
    return {
        (location(one.asset_key), one.check_name): str(one.metadata["verdict"].value)
        for one in result.get_asset_check_evaluations()
    }


def test_one_job_brings_the_branch_up_to_date(flow: Flow) -> None:
    job = flow.definitions().resolve_job_def("reproduce_main")

    assert {location(key) for key in job.asset_layer.selected_asset_keys} == OUTS


def steps(job: dg.JobDefinition) -> list[str]:
    """Return the steps of a job that make something; that of the gates comes on top."""
    names = [node.name for node in job.nodes]
    names.remove("gates")
    return names


def test_whole_graph_is_one_step_and_with_the_setting_one_for_each_stage(flow: Flow) -> None:
    job = flow.definitions().resolve_implicit_global_asset_job_def()
    assert steps(job) == ["dvc"]

    flow.repository.write("ml-assets.toml", 'granularity = "stage"\n')

    job = flow.definitions().resolve_implicit_global_asset_job_def()
    assert len(steps(job)) == 5


def test_repository_without_stages_has_its_source_and_no_other_asset(flow: Flow) -> None:
    for name in ("dvc.yaml", "raw.txt.dvc"):
        (flow.root / name).unlink()

    definitions = flow.definitions()

    graph = definitions.resolve_asset_graph()
    assert {location(key) for key in graph.get_all_asset_keys()} == {"source"}
    assert not graph.materializable_asset_keys
    assert not list(definitions.jobs or [])


def test_names_with_odd_characters_are_accepted(flow: Flow) -> None:
    names = ["a b.txt", "ünï.txt", "x'y.txt", "50%.txt", "a,b.txt", "[1].txt", "deep/er/#.txt"]
    flow.repository.stages(
        {f"s-{n}_é": {"cmd": "x", "outs": [name]} for n, name in enumerate(names)}
    )
    flow.repository.git("checkout", "--quiet", "-b", "feature/größe-1")

    definitions = build_definitions(Project(flow.root))

    keys = definitions.resolve_asset_graph().materializable_asset_keys
    prefix = "feature/größe-1/"
    assert {key.to_user_string().removeprefix(prefix) for key in keys} == {*names, "raw.txt"}


def test_loading_runs_nothing_and_writes_only_local_state(flow: Flow) -> None:
    before = flow.repository.git("status", "--porcelain")

    flow.definitions()

    assert flow.repository.git("status", "--porcelain") == before
    assert not (flow.root / "sorted.txt").exists()
