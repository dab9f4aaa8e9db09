"""A run from the command line: Dagster's storage is told the same as by a run in the UI."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ml_assets.cli import main
from tests.integration.dagster.asset_flow import Flow, location
from tests.unit.resources.dvc_project import DvcProject

OUTS = {"raw.txt", "sorted.txt", "model", "m.json", "loss.csv", "other.txt"}


@pytest.fixture
def console(
    repository: DvcProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Flow]:
    """The flow with the storage that commands of this test write to."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    with dg.DagsterInstance.get() as instance:
        yield Flow(repository, instance)


def run(flow: Flow, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """Run ``ml-assets run --json``, which must succeed."""
    capsys.readouterr()
    code = main(["--project", str(flow.root), "run", "--json", *words])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    document: dict[str, Any] = json.loads(captured.out)
    return document


def event(flow: Flow, name: str) -> dg.AssetMaterialization:
    record = flow.instance.get_latest_materialization_event(dg.AssetKey(["main", *name.split("/")]))
    assert record is not None and record.asset_materialization is not None
    return record.asset_materialization


def versions(flow: Flow) -> dict[str, str]:
    return {name: (event(flow, name).tags or {})["dagster/data_version"] for name in OUTS}


def test_dagster_finds_everything_fresh_afterwards(
    console: Flow, capsys: pytest.CaptureFixture[str]
) -> None:
    document = run(console, capsys)

    assert console.statuses() == dict.fromkeys(OUTS, "fresh")
    digests = {asset["key"].removeprefix("main/"): asset["digest"] for asset in document["assets"]}
    assert versions(console) == {name: digest["md5"] for name, digest in digests.items()}


def test_what_each_asset_was_made_from_is_recorded(
    console: Flow, capsys: pytest.CaptureFixture[str]
) -> None:
    run(console, capsys)

    found = versions(console)
    for name, source in (("sorted.txt", "raw.txt"), ("model", "sorted.txt"), ("m.json", "model")):
        tags = event(console, name).tags or {}
        assert tags[f"dagster/input_data_version/main/{source}"] == found[source]


def test_dagster_finds_stale_what_reads_an_out_that_was_made_anew(
    console: Flow, capsys: pytest.CaptureFixture[str]
) -> None:
    run(console, capsys)
    console.repository.write("code.sh", "sort -r raw.txt > sorted.txt\n")

    run(console, capsys, "--select", "prepare")

    statuses = console.statuses()
    assert (statuses["sorted.txt"], statuses["model"]) == ("fresh", "stale")
    assert console.changed() == {"train"}


def test_run_in_the_ui_after_one_on_the_command_line_has_nothing_to_do(
    console: Flow, capsys: pytest.CaptureFixture[str]
) -> None:
    run(console, capsys)

    result = console.materialize()

    assert result.success
    assert [location(e.asset_key) for e in result.get_asset_materialization_events()] == []


def test_run_on_the_command_line_after_one_in_the_ui_tells_nothing_twice(
    console: Flow, capsys: pytest.CaptureFixture[str]
) -> None:
    console.materialize()
    before = {name: event(console, name) for name in OUTS}

    document = run(console, capsys)

    assert {asset["action"] for asset in document["assets"]} == {"skip"}
    assert {name: event(console, name) for name in OUTS} == before
    assert console.statuses() == dict.fromkeys(OUTS, "fresh")


@pytest.mark.parametrize("selection", ["*", 'key:"main/sorted.txt"'])
def test_what_the_ui_recorded_of_code_that_was_taken_back_is_recorded_anew(
    console: Flow, capsys: pytest.CaptureFixture[str], selection: str
) -> None:
    """The bytes never changed, so that nothing runs; Dagster hears of the code all the same."""
    run(console, capsys)
    console.repository.commit()
    console.repository.write("code.sh", "sort  raw.txt > sorted.txt\n")
    assert console.materialize(selection).success
    console.repository.git("checkout", "--quiet", ".")
    assert console.statuses()["sorted.txt"] == "stale"

    document = run(console, capsys)

    assert {asset["action"] for asset in document["assets"]} == {"skip"}
    assert console.statuses() == dict.fromkeys(OUTS, "fresh")


@pytest.mark.parametrize(
    ("words", "names"), [([], OUTS), (["--select", "prepare"], {"sorted.txt"})]
)
def test_list_of_runs_shows_what_a_run_was_about(
    console: Flow, capsys: pytest.CaptureFixture[str], words: list[str], names: set[str]
) -> None:
    run(console, capsys, *words)

    (record,) = console.instance.get_runs()
    assert {location(key) for key in record.asset_selection or ()} == names
    assert record.tags["ml-assets/commit"] == console.repository.git("rev-parse", "HEAD").strip()
