"""The performance check of a model: its numbers in the UI, and that only a clear pass passes."""

import json
import os
from collections.abc import Mapping

import dagster as dg
import pytest

from ml_assets.graph.description import describe_assets
from ml_assets.project.project import Project
from resources.errors import ConfigurationError
from security.gates.settings import Performance
from tests.integration.dagster.asset_flow import Flow

REPORT = {"verdict": "passed", "metrics": {"p95 (ms)": 1.5, "size": 10}, "failures": []}
FAILED = {**REPORT, "verdict": "failed", "failures": ["p95 is 1.5 ms, not 1 ms"]}
MODEL = "printf '].' > model/weights.pkl"  # an empty list, pickled
SETTINGS = '[performance]\ncommand = "{command}"\nmodel = "{model}"\ntimeout = {timeout}\n'
POLICY = """\
version = 1
[environments.materialize]
default = { level = "advisory" }
[environments.materialize.gates.performance]
level = "required"
"""


def give_command(flow: Flow, command: str, timeout: float = 60, model: str = "model") -> None:
    text = SETTINGS.format(command=command.replace('"', '\\"'), model=model, timeout=timeout)
    flow.repository.write("ml-assets.toml", text)
    # What is measured is a model, so it has to be one that can be judged before it is read.
    stages = (flow.root / "dvc.yaml").read_text()
    flow.repository.write("dvc.yaml", stages.replace("cp sorted.txt model/weights", MODEL))
    flow.repository.commit()  # gates go by the settings of the protected branch


def checks_of(flow: Flow) -> set[tuple[str, str]]:
    keys = flow.definitions().resolve_asset_graph().asset_check_keys
    return {("/".join(key.asset_key.path[1:]), key.name) for key in keys}


def measure(flow: Flow, model: str = "model") -> dg.AssetCheckEvaluation:
    """Make everything that the gates allow, then execute the one check, as a person would."""
    flow.materialize()
    key = dg.AssetCheckKey(dg.AssetKey(["main", model]), "performance")
    definitions = flow.definitions()
    only = dg.Definitions(
        assets=definitions.assets,
        asset_checks=definitions.asset_checks,
        jobs=[dg.define_asset_job("measure", selection=dg.AssetSelection.checks(key))],
        resources=definitions.resources,
        executor=dg.in_process_executor,
    )
    result = only.resolve_job_def("measure").execute_in_process(instance=flow.instance)
    (evaluation,) = result.get_asset_check_evaluations()
    assert evaluation.asset_check_key == key
    return evaluation


def shown(evaluation: dg.AssetCheckEvaluation) -> Mapping[str, object]:
    return {name: value.value for name, value in evaluation.metadata.items()}


def test_numbers_of_the_report_are_the_metadata_of_the_check(flow: Flow) -> None:
    flow.repository.write("report.json", json.dumps(REPORT))
    give_command(flow, "test -d {model} && cp report.json {report}")

    evaluation = measure(flow)

    assert evaluation.passed
    values = dict(shown(evaluation))
    assert isinstance(values.pop("seconds"), float)
    assert values == {
        "verdict": "passed",
        "cached": True,  # the run has judged its model before it was signed
        "fact/p95 (ms)": 1.5,
        "fact/size": 10.0,
        "tool": "performance test 1",
    }


def test_measurement_is_remembered_until_what_it_ran_changes(flow: Flow) -> None:
    flow.repository.write("report.json", json.dumps(REPORT))
    give_command(flow, "echo x >> raw-log.tmp; cp report.json {report}")
    flow.repository.write(".gitignore", "/raw-log.tmp\n/raw.txt\n")
    measured = flow.root / "raw-log.tmp"

    assert [shown(measure(flow))["cached"] for _ in range(2)] == [True, True]
    assert measured.read_text() == "x\n"

    flow.repository.write("report.json", json.dumps({**REPORT, "metrics": {"size": 11}}))
    evaluation = measure(flow)
    assert (shown(evaluation)["cached"], shown(evaluation)["fact/size"]) == (True, 11.0)
    assert measured.read_text() == "x\nx\n"


@pytest.mark.parametrize(("policy", "blocks"), [("", False), (POLICY, True)])
def test_model_that_is_too_slow_does_not_pass_and_says_why(
    flow: Flow, policy: str, blocks: bool
) -> None:
    flow.repository.write("report.json", json.dumps(FAILED))
    if policy:
        flow.repository.write(".ml-assets/policy.toml", policy)
    give_command(flow, "cp report.json {report}; exit 1")

    evaluation = measure(flow)

    assert not evaluation.passed
    assert evaluation.severity is (
        dg.AssetCheckSeverity.ERROR if blocks else dg.AssetCheckSeverity.WARN
    )
    assert shown(evaluation)["verdict"] == ("failed" if blocks else "warned")
    assert shown(evaluation)["findings"] == 1
    table = evaluation.metadata["table of findings"]
    assert isinstance(table, dg.TableMetadataValue)
    (row,) = table.records
    assert row.data["status"] == ("failing" if blocks else "warning")
    assert row.data["message"] == "p95 is 1.5 ms, not 1 ms"


@pytest.mark.parametrize(
    ("command", "timeout", "why"),
    [
        ("sleep 60", 0.3, "0.3 s"),
        ("true {report}", 60, "unreadable report"),
        ("cp report.json {report}; exit 1", 60, "report contradicts the exit code"),
        ("cp {model} ${HOME}/x; false {report}", 60, "exit code 1"),
    ],
    ids=["hangs", "says nothing", "contradicts itself", "has braces of its own"],
)
def test_test_that_cannot_judge_is_no_pass(
    flow: Flow, command: str, timeout: float, why: str
) -> None:
    flow.repository.write("report.json", json.dumps(REPORT))
    give_command(flow, command, timeout)

    evaluation = measure(flow)

    assert not evaluation.passed
    assert shown(evaluation)["verdict"] == "error"
    assert "could not judge" in str(evaluation.description)
    assert why in str(evaluation.description)
    assert not any(name.startswith("fact/") for name in evaluation.metadata)


def test_test_sees_the_environment_of_a_server(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "hunter2")
    give_command(flow, "env > seen; false {report}")

    measure(flow)

    seen = (flow.root / "seen").read_text()
    (path,) = (line for line in seen.splitlines() if line.startswith("PATH="))
    assert os.environ["PATH"] in path
    assert "hunter2" not in seen


def test_model_with_odd_characters_reaches_the_test_as_one_word(flow: Flow) -> None:
    name = "a b; touch hacked"
    stage = {"cmd": f"cp raw.txt '{name}'", "deps": ["raw.txt"], "outs": [name]}
    flow.repository.stages({"odd": stage})
    give_command(flow, "printf '%s' {model} > seen; false {report}", model=name)

    measure(flow, name)

    assert (flow.root / "seen").read_text() == name
    assert not (flow.root / "hacked").exists()


def test_repository_without_a_performance_test_has_no_such_check(flow: Flow) -> None:
    assert checks_of(flow) == {
        ("source", "dependencies"),
        ("source", "secrets"),
        ("raw.txt", "data"),
    }


def test_model_that_no_stage_writes_is_refused_and_no_check_forgotten(flow: Flow) -> None:
    give_command(flow, "true {report}", model="modle")
    project = Project(flow.root)

    with pytest.raises(
        ConfigurationError, match="no stage writes the model of the performance test: modle"
    ):
        describe_assets(project, project.open_checkout())


def test_model_that_is_named_has_a_check_even_without_a_script(flow: Flow) -> None:
    give_command(flow, Performance.command)

    assert {("model", "performance"), ("model", "model_file")} <= checks_of(flow)
    assert shown(measure(flow))["verdict"] == "error"
