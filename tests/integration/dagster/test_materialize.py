"""Materialization through Dagster: what runs, what is recorded, and what it is recorded as."""

import hashlib

import dagster as dg
import pytest
import yaml

from tests.integration.dagster.asset_flow import Flow, last, location, materialized

OUTS = {"raw.txt", "sorted.txt", "model", "m.json", "loss.csv", "other.txt"}


def data_versions(flow: Flow) -> dict[str, str]:
    """Return what DVC itself records of each location."""
    lock = yaml.safe_load((flow.root / "dvc.lock").read_text())["stages"]
    raw = yaml.safe_load((flow.root / "raw.txt.dvc").read_text())["outs"]
    outs = [out for entry in lock.values() for out in entry["outs"]]
    return {out["path"]: out["md5"] for out in [*outs, *raw]}


def test_first_run_records_everything_at_the_version_that_dvc_records(flow: Flow) -> None:
    result = flow.materialize()

    assert result.success
    assert materialized(result) == OUTS
    tags = {name: last(result, name).tags or {} for name in OUTS}
    versions = {name: tags[name]["dagster/data_version"] for name in OUTS}
    assert versions == data_versions(flow)
    assert flow.changed() == set()


def test_code_version_and_provenance_are_recorded(flow: Flow) -> None:
    graph = flow.definitions().resolve_asset_graph()

    result = flow.materialize()

    for name in OUTS:
        tags = last(result, name).tags or {}
        assert tags["dagster/code_version"] == graph.get(dg.AssetKey(["main", name])).code_version
    tags = last(result, "model").tags or {}
    read = {name: value for name, value in tags.items() if "input_data_version" in name}
    assert read == {"dagster/input_data_version/main/sorted.txt": data_versions(flow)["sorted.txt"]}


def test_second_run_starts_nothing_and_records_nothing(flow: Flow) -> None:
    flow.materialize()
    before = {name: (flow.root / name).stat() for name in OUTS - {"model"}}

    result = flow.materialize()

    assert result.success
    assert materialized(result) == set()
    assert {name: (flow.root / name).stat() for name in before} == before


def test_storage_that_knows_nothing_is_told_everything_once(flow: Flow) -> None:
    # As in a fresh clone with pulled data: all is fresh, and the UI is to show it.
    flow.repository.reproduce()

    first, second = flow.materialize(), flow.materialize()

    assert materialized(first) == OUTS
    assert materialized(second) == set()
    for name in OUTS:
        assert last(first, name).metadata["dvc/action"].value == "skip"


@pytest.mark.parametrize(
    ("selection", "names"),
    [
        ('key:"main/sorted.txt"', {"sorted.txt"}),
        ('+key:"main/model"', {"raw.txt", "sorted.txt", "model"}),
        ('key:"main/other.txt" or key:"main/raw.txt"', {"other.txt", "raw.txt"}),
        ('group:"main_train"+ or +group:"main_train"', OUTS - {"other.txt"}),
    ],
)
def test_selection_as_a_text_runs_what_it_names(
    flow: Flow, selection: str, names: set[str]
) -> None:
    result = flow.materialize(selection)

    assert result.success
    assert materialized(result) == names


def test_one_out_of_a_stage_is_recorded_with_those_that_its_stage_wrote_beside_it(
    flow: Flow,
) -> None:
    flow.materialize('+key:"main/model"')

    first = flow.materialize('key:"main/m.json"')
    second = flow.materialize('key:"main/loss.csv"')

    assert materialized(first) == {"m.json", "loss.csv"}
    assert last(first, "loss.csv").metadata["dvc/action"].value == "run"
    assert materialized(second) == set()


def test_change_runs_what_depends_on_it_and_stops_where_the_bytes_are_the_same(
    flow: Flow,
) -> None:
    flow.materialize()
    flow.repository.write("code.sh", "sort -s raw.txt > sorted.txt\n")

    result = flow.materialize()

    assert materialized(result) == {"sorted.txt"}
    reasons = last(result, "sorted.txt").metadata["dvc/reasons"].value
    assert reasons == "- modified dependency: code.sh"
    assert flow.changed() == set()


def test_run_that_was_done_before_is_restored(flow: Flow) -> None:
    flow.materialize()
    flow.repository.write("params.yaml", "rate: 0.7\n")
    flow.materialize()
    flow.repository.write("params.yaml", "rate: 0.5\n")

    result = flow.materialize()

    assert last(result, "model").metadata["dvc/action"].value == "restore"
    assert "exit code" not in last(result, "model").metadata


def test_metadata_describes_bytes_and_usage(flow: Flow) -> None:
    result = flow.materialize()

    shown = {name: value.value for name, value in last(result, "sorted.txt").metadata.items()}
    assert shown["size (bytes)"] == 4
    assert shown["sha256"] == hashlib.sha256(b"a\nb\n").hexdigest()
    assert shown["dvc/md5"] == data_versions(flow)["sorted.txt"]
    assert shown["dvc/action"] == "run"
    assert shown["exit code"] == 0
    assert 0 <= float(str(shown["duration (s)"])) < 60
    assert 0 <= float(str(shown["cpu time (s)"])) < 60
    assert last(result, "model").metadata["files"].value == 1


def test_stage_without_outs_is_recorded_when_it_ran(flow: Flow) -> None:
    flow.repository.stages({"notify": {"cmd": "echo done"}}, path="sub/dvc.yaml")

    result = flow.materialize('key:"main/sub/notify"')

    assert materialized(result) == {"sub/notify"}
    graph = flow.definitions().resolve_asset_graph()
    version = graph.get(dg.AssetKey(["main", "sub", "notify"])).code_version
    assert (last(result, "sub/notify").tags or {})["dagster/data_version"] == version


def test_output_of_a_stage_is_in_the_log_of_the_run_behind_its_name(
    flow: Flow, capfd: pytest.CaptureFixture[str]
) -> None:
    flow.repository.stages({"talk": {"cmd": "echo hello; echo there >&2"}}, path="sub/dvc.yaml")

    flow.materialize('key:"main/sub/talk"')

    out = capfd.readouterr().out
    assert "[sub/dvc.yaml:talk] hello\n" in out
    assert "[sub/dvc.yaml:talk] there\n" in out


def test_stage_started_by_dagster_gets_the_environment_of_a_server(
    flow: Flow, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "hunter2")
    monkeypatch.setenv("MY_FLAG", "seen")
    flow.repository.stages({"show": {"cmd": "env > env.txt", "outs": ["env.txt"]}}, "sub/dvc.yaml")

    result = flow.materialize('key:"main/sub/env.txt"')

    assert location(result.get_asset_materialization_events()[0].asset_key) == "sub/env.txt"
    environment = (flow.root / "sub" / "env.txt").read_text()
    assert "PATH=" in environment
    assert "hunter2" not in environment and "MY_FLAG" not in environment
    out = capfd.readouterr().out
    assert "not passed to stages:" in out and "GITHUB_TOKEN" in out and "hunter2" not in out


def test_run_says_of_which_commit_it_is(flow: Flow) -> None:
    result = flow.materialize('key:"main/other.txt"')

    run = flow.instance.get_run_by_id(result.run_id)
    assert run is not None
    commit = flow.repository.git("rev-parse", "HEAD").strip()
    assert {name: run.tags.get(name) for name in ("ml-assets/branch", "ml-assets/commit")} == {
        "ml-assets/branch": "main",
        "ml-assets/commit": commit,
    }
    assert run.tags["ml-assets/dirty"] in ("true", "false")
