"""A stage that fails in Dagster: its message, what it blocks, and what is recorded all the same."""

from collections.abc import Sequence

import dagster as dg
import pytest

from tests.integration.dagster.asset_flow import Flow, materialized


def change_stage(flow: Flow, name: str, **changes: object) -> None:
    import yaml

    file = flow.root / "dvc.yaml"
    document = yaml.safe_load(file.read_text())
    document["stages"][name].update(changes)
    file.write_text(yaml.safe_dump(document, sort_keys=False))


def failures(result: dg.ExecuteInProcessResult) -> Sequence[str]:
    """Return what Dagster shows of each failed step."""
    return [
        str(event.step_failure_data.user_failure_data.description)
        for event in result.all_events
        if event.is_step_failure and event.step_failure_data.user_failure_data is not None
    ]


def test_failure_names_the_stage_the_reason_and_what_it_blocked(flow: Flow) -> None:
    change_stage(flow, "train", cmd="echo trouble; exit 3")

    result = flow.materialize()

    assert not result.success
    (text,) = failures(result)
    assert "train: command exited with 3: echo trouble; exit 3" in text
    assert "hint: read the output above" in text
    assert "not run because of a failed stage: evaluate" in text


def test_what_succeeded_is_recorded_and_what_did_not_is_not(flow: Flow) -> None:
    flow.repository.write("ml-assets.toml", "keep-going = true\n")
    change_stage(flow, "train", cmd="exit 3")

    result = flow.materialize()

    assert not result.success
    assert materialized(result) == {"raw.txt", "sorted.txt", "other.txt"}
    assert flow.changed() == {"train", "evaluate"}
    statuses = flow.statuses()
    assert {name for name, status in statuses.items() if status == "missing"} == {
        "model",
        "m.json",
        "loss.csv",
    }


def test_next_run_goes_on_where_it_stopped(flow: Flow) -> None:
    change_stage(flow, "train", cmd="test -e allowed && mkdir model && cp sorted.txt model/x")
    flow.materialize()
    flow.repository.write("allowed", "")

    result = flow.materialize()

    assert result.success
    assert {"model", "m.json", "loss.csv"} <= materialized(result)
    assert "sorted.txt" not in materialized(result)
    assert flow.changed() == set()


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("true", "train: the command did not write an out: model"),
        ("kill -9 $$", "train: command was ended by signal 9"),
        ("no-such-program", "train: command exited with 127"),
    ],
)
def test_every_way_to_fail_fails_the_run(flow: Flow, command: str, message: str) -> None:
    change_stage(flow, "train", cmd=command)

    result = flow.materialize()

    assert not result.success
    assert message in failures(result)[0]
    assert "model" not in materialized(result)


def test_missing_input_fails_the_run(flow: Flow) -> None:
    (flow.root / "code.sh").unlink()

    result = flow.materialize('key:"main/sorted.txt"')

    assert not result.success
    assert "missing dependency: code.sh" in failures(result)[0]


def test_corrupted_cache_object_fails_the_run(flow: Flow) -> None:
    flow.materialize()
    (flow.root / "raw.txt").unlink()
    for path in (flow.root / ".dvc" / "cache" / "files").rglob("*"):
        if path.is_file() and path.read_text() == "b\na\n":
            path.chmod(0o644)
            path.write_text("evil\n")
            path.chmod(0o444)

    result = flow.materialize('key:"main/raw.txt"')

    assert not result.success
    assert "corrupted cache object" in failures(result)[0]
    assert not (flow.root / "raw.txt").exists()


def test_failure_is_never_retried_behind_the_back_of_the_user(flow: Flow) -> None:
    change_stage(flow, "train", cmd="echo x >> attempts; exit 1")

    flow.materialize()

    assert (flow.root / "attempts").read_text() == "x\n"
