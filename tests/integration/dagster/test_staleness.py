"""Staleness: Dagster says of each asset what ``dvc status`` says of its stage."""

import pytest

from tests.integration.dagster.asset_flow import Flow, materialized

OUTS = {"raw.txt", "sorted.txt", "model", "m.json", "loss.csv", "other.txt"}
MADE_BY = {
    "prepare": {"sorted.txt"},
    "train": {"model"},
    "evaluate": {"m.json", "loss.csv"},
    "other": {"other.txt"},
    "raw.txt.dvc": {"raw.txt"},
}


@pytest.fixture
def done(flow: Flow) -> Flow:
    """The flow after a run of everything."""
    assert flow.materialize().success
    return flow


def stale(flow: Flow) -> set[str]:
    return {name for name, status in flow.statuses().items() if status != "fresh"}


def test_before_the_first_run_everything_is_missing(flow: Flow) -> None:
    assert flow.statuses() == dict.fromkeys(OUTS, "missing")


def test_after_a_run_everything_is_fresh(done: Flow) -> None:
    assert done.statuses() == dict.fromkeys(OUTS, "fresh")
    assert done.changed() == set()


def test_after_a_restored_run_and_one_with_nothing_to_do_everything_is_fresh(done: Flow) -> None:
    for rate in ("0.7", "0.5"):
        done.repository.write("params.yaml", f"rate: {rate}\n")
        done.materialize()
    done.materialize()

    assert done.statuses() == dict.fromkeys(OUTS, "fresh")


@pytest.mark.parametrize(
    ("path", "text", "stage"),
    [
        ("code.sh", "sort -r raw.txt > sorted.txt\n", "prepare"),
        ("params.yaml", "rate: 0.9\nunused: 1\n", "train"),
    ],
)
def test_change_of_code_or_parameters_makes_the_stage_stale(
    done: Flow, path: str, text: str, stage: str
) -> None:
    done.repository.write(path, text)

    assert done.changed() == {stage}
    assert MADE_BY[stage] <= stale(done)
    # What lies downstream is stale too, as `dvc repro` would run it; what does not, is not.
    assert stale(done) <= OUTS - {"raw.txt", "other.txt"}

    done.materialize()
    assert done.statuses() == dict.fromkeys(OUTS, "fresh")
    assert done.changed() == set()


def test_change_of_a_command_makes_the_stage_stale(done: Flow) -> None:
    text = (done.root / "dvc.yaml").read_text()
    done.repository.write("dvc.yaml", text.replace("echo other >", "echo another >"))

    assert done.changed() == {"other"}
    assert stale(done) == {"other.txt"}


@pytest.mark.parametrize(
    ("path", "text"),
    [("params.yaml", "rate: 0.5\nunused: 2\n"), ("README.md", "read me\n")],
)
def test_change_that_no_stage_reads_makes_nothing_stale(done: Flow, path: str, text: str) -> None:
    done.repository.write(path, text)

    assert done.changed() == set()
    assert stale(done) == set()


def test_commit_makes_nothing_stale(done: Flow) -> None:
    done.repository.commit()

    assert stale(done) == set()


def test_run_of_one_stage_makes_stale_what_reads_it(done: Flow) -> None:
    done.repository.write("code.sh", "sort -r raw.txt > sorted.txt\n")

    result = done.materialize('key:"main/sorted.txt"')

    assert materialized(result) == {"sorted.txt"}
    assert done.changed() == {"train"}
    assert done.statuses()["sorted.txt"] == "fresh"
    assert {"model"} <= stale(done) <= {"model", "m.json", "loss.csv"}


def test_run_that_wrote_the_same_bytes_makes_nothing_stale(done: Flow) -> None:
    done.repository.write("code.sh", "sort -s raw.txt > sorted.txt\n")

    done.materialize('key:"main/sorted.txt"')

    assert done.changed() == set()
    assert stale(done) == set()


def test_new_raw_data_is_stale_until_it_is_recorded_and_then_what_reads_it(done: Flow) -> None:
    done.repository.write("raw.txt", "z\ny\n")
    done.repository.add("raw.txt")

    result = done.materialize('key:"main/raw.txt"')

    assert materialized(result) == {"raw.txt"}
    assert done.changed() == {"prepare"}
    assert done.statuses()["raw.txt"] == "fresh"
    assert done.statuses()["sorted.txt"] == "stale"


def test_other_branch_is_another_graph(done: Flow) -> None:
    done.repository.git("checkout", "--quiet", "-b", "develop")

    keys = done.definitions().resolve_asset_graph().get_all_asset_keys()

    assert {key.path[0] for key in keys} == {"develop"}
    assert not any(done.instance.get_latest_materialization_event(key) for key in keys)


def test_change_that_dvc_itself_brought_up_to_date_is_fresh_after_a_run(done: Flow) -> None:
    done.repository.write("code.sh", "sort -s raw.txt > sorted.txt\n")
    done.repository.reproduce()

    done.materialize()

    assert done.changed() == set()
    assert stale(done) == set()


def test_change_beside_the_part_of_a_directory_that_is_read_is_fresh_after_a_run(
    done: Flow,
) -> None:
    done.repository.stages(
        {
            "tree": {
                "cmd": "mkdir -p tree; cp ../code.sh tree/code; echo same > tree/same",
                "deps": ["../code.sh"],
                "outs": ["tree"],
            },
            "part": {"cmd": "cp tree/same part", "deps": ["tree/same"], "outs": ["part"]},
        },
        path="sub/dvc.yaml",
    )
    done.materialize()
    done.repository.write("code.sh", "sort -s raw.txt > sorted.txt\n")

    done.materialize()

    assert done.changed() == set()
    assert stale(done) == set()


def test_frozen_stage_is_fresh_whatever_becomes_of_its_code(done: Flow) -> None:
    text = (done.root / "dvc.yaml").read_text()
    done.repository.write(
        "dvc.yaml", text.replace("  prepare:\n", "  prepare:\n    frozen: true\n")
    )
    done.repository.write("code.sh", "sort -r raw.txt > sorted.txt\n")

    done.materialize()

    assert done.changed() == set()
    assert stale(done) == set()
