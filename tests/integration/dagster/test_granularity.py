"""Granularity: one step for each stage does what one step for the whole graph does."""

from tests.integration.dagster.asset_flow import Flow, files, last, materialized

OUTS = {"raw.txt", "sorted.txt", "model", "m.json", "loss.csv", "other.txt"}
WRITTEN = ["sorted.txt", "model/weights", "m.json", "loss.csv", "other.txt", ".gitignore"]


def per_stage(flow: Flow, tmp_name: str) -> Flow:
    """Return a copy of the flow in which each stage is a step."""
    copy = Flow(flow.repository.copy(flow.root.with_name(tmp_name)), flow.instance)
    copy.repository.write("ml-assets.toml", 'granularity = "stage"\n')
    return copy


def test_lock_and_files_are_the_same(flow: Flow) -> None:
    stages = per_stage(flow, "stages")

    assert stages.materialize().success
    by_stage = files(stages.root, [*WRITTEN, "dvc.lock"])
    assert flow.materialize().success

    whole = files(flow.root, [*WRITTEN, "dvc.lock"])
    lines = {name: sorted(content.splitlines()) for name, content in whole.items()}
    assert {name: sorted(content.splitlines()) for name, content in by_stage.items()} == lines
    assert stages.changed() == flow.changed() == set()


def test_lock_of_a_chain_is_the_same_byte_for_byte(flow: Flow) -> None:
    stages = per_stage(flow, "stages")

    stages.materialize('+key:"main/m.json" or key:"main/loss.csv"')
    flow.materialize('+key:"main/m.json" or key:"main/loss.csv"')

    assert files(stages.root, ["dvc.lock"]) == files(flow.root, ["dvc.lock"])


def test_each_stage_is_a_step_and_records_its_outs(flow: Flow) -> None:
    stages = per_stage(flow, "stages")

    first, second = stages.materialize(), stages.materialize()

    assert materialized(first) == OUTS
    steps = {event.step_key for event in first.get_asset_materialization_events()}
    assert len(steps) == 5
    assert materialized(second) == set()
    assert set(stages.statuses().values()) == {"fresh"}


def test_step_behind_one_that_fails_does_not_run(flow: Flow) -> None:
    stages = per_stage(flow, "stages")
    stages.repository.write("code.sh", "exit 4\n")

    result = stages.materialize()

    assert not result.success
    assert materialized(result) == {"raw.txt", "other.txt"}
    assert not (stages.root / "model").exists()
    assert last(result, "other.txt").metadata["dvc/action"].value == "run"
