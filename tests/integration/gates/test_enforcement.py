"""Stages run only on what has passed, whatever way they are asked to run."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from tests.integration.contract.repository import Finished, Repository
from tests.integration.gates.gated_project import CLEAN, DIRTY, HARMLESS, MALICIOUS, build


def plant(project: Repository) -> None:
    project.write("train.py", CLEAN.format(model=HARMLESS) + DIRTY)


def refusal(done: Finished) -> dict[str, str]:
    error = done.document["error"]
    assert isinstance(error, dict)
    return error


@pytest.mark.parametrize(
    "arguments",
    [(), ("--select", "train"), ("--select", "+evaluate", "--keep-going"), ("--force",)],
    ids=" ".join,
)
def test_training_on_code_that_failed_is_refused(
    project: Repository, arguments: tuple[str, ...]
) -> None:
    plant(project)
    if "train" in arguments:
        project.write("train.py", CLEAN.format(model=HARMLESS))
        project.run("--select", "prepare")
        plant(project)

    done = project.ml_assets("run", "--json", *arguments)

    assert done.code == 1, done
    assert refusal(done)["kind"] == "refused"
    assert "code-security of source: failed: 1 finding fails: B602 at train.py:4" in (
        refusal(done)["message"]
    )
    assert "ml-assets check code-security" in refusal(done)["hint"]
    assert "train" not in done.ran
    assert not (project.project / "model.pkl").exists()
    (gate,) = [gate for gate in done.document["gates"] if gate["name"] == "code-security"]
    assert (gate["verdict"], gate["blocks"]) == ("failed", True)


def dagster_command(project: Repository, *words: str) -> subprocess.CompletedProcess[str]:
    home = project.home / "dagster-home"
    home.mkdir(exist_ok=True)
    command = [str(Path(sys.executable).with_name("dagster")), "asset", "materialize"]
    return subprocess.run(
        [*command, "-m", "ml_assets.definitions", *words],
        env=project.environment(
            {"ML_ASSETS_PROJECT": str(project.project), "DAGSTER_HOME": str(home)}
        ),
        cwd=project.outside,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("granularity", ["pipeline", "stage"])
def test_dagster_is_refused_as_well(project: Repository, granularity: str) -> None:
    project.run("--select", "prepare")
    project.write("ml-assets.toml", f'granularity = "{granularity}"\n')
    plant(project)

    done = dagster_command(project, "--select", 'key:"main/model.pkl"')

    assert done.returncode != 0
    assert "gates refuse stage train: code-security of source: failed" in done.stdout + done.stderr
    assert not (project.project / "model.pkl").exists()


def test_what_the_event_log_says_has_no_say(project: Repository) -> None:
    plant(project)
    project.ml_assets("run", "--json")
    home = project.project / ".ml-assets" / "state" / "dagster"
    with dg.DagsterInstance.from_config(str(home)) as instance:
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey(["main", "source"]),
                check_name="code_security",
                passed=True,
                metadata={"verdict": "passed"},
            )
        )

    done = project.ml_assets("run", "--json")

    assert done.code == 1 and refusal(done)["kind"] == "refused"


def test_code_that_was_mended_runs_and_one_that_was_broken_again_does_not(
    project: Repository,
) -> None:
    plant(project)
    assert project.ml_assets("run", "--json").code == 1
    project.write("train.py", CLEAN.format(model=HARMLESS))

    assert "train" in project.run().ran
    assert project.run().ran == {}

    project.write("other.py", DIRTY)
    done = project.ml_assets("run", "--json")
    assert done.code == 1, "nothing is to be run, and what there is has failed"
    project.write("raw.txt", "3\n")
    assert "train" not in project.ml_assets("run", "--json").ran


def results(project: Repository) -> list[Path]:
    directory = project.project / ".ml-assets" / "state" / "results"
    return sorted(path for path in directory.rglob("*") if path.is_file())


def test_result_copied_from_a_clean_commit_is_not_believed(project: Repository) -> None:
    project.run()
    clean = {path: path.read_bytes() for path in results(project)}
    plant(project)
    project.ml_assets("run", "--json")
    dirty = [path for path in results(project) if path not in clean]
    assert dirty
    for path in dirty:
        for content in clean.values():
            path.write_bytes(content)

    done = project.ml_assets("run", "--json")

    assert done.code == 1 and refusal(done)["kind"] == "refused"


def test_results_copied_from_another_project_are_not_believed(
    project: Repository, tmp_path: Path
) -> None:
    project.run()
    other = project.copy(tmp_path / "other")
    # The same user, who has the same secret, and the same files: only the place is another.
    assert [path.name for path in results(other)] == [path.name for path in results(project)]

    done = other.ml_assets("check", "--json", "code-security")

    (gate,) = done.document["gates"]
    assert gate["cached"] is False
    assert "invalid seal" in done.stderr


def test_model_that_runs_code_when_it_is_loaded_is_not_evaluated(project: Repository) -> None:
    build(project, model=MALICIOUS)

    done = project.ml_assets("run", "--json")

    assert done.code == 1, done
    assert refusal(done)["message"].startswith(
        "gates refuse stage evaluate: model-file of model.pkl: failed"
    )
    assert "train" in done.ran and "evaluate" not in done.ran
    assert not (project.project / "loaded").exists()


def test_model_that_nobody_can_judge_is_not_evaluated_either(project: Repository) -> None:
    build(project, model=b"no format that anybody knows")

    done = project.ml_assets("run", "--json")

    assert done.code == 3, done
    assert refusal(done)["kind"] == "unjudged"
    assert "evaluate" not in done.ran


def test_model_that_was_swapped_later_is_not_evaluated(project: Repository) -> None:
    project.run()
    (project.project / "model.pkl").chmod(0o644)
    project.write("model.pkl", MALICIOUS)

    done = project.ml_assets("run", "--json", "--select", "evaluate")

    assert done.code == 1, done
    assert "evaluate" not in done.ran
    assert "model-file of model.pkl: failed" in refusal(done)["message"]


def test_data_that_is_not_the_recorded_data_is_not_trained_on(project: Repository) -> None:
    project.run()
    (project.project / "data.txt").chmod(0o644)
    project.write("data.txt", "poison\n")

    done = project.ml_assets("run", "--json", "--select", "train")

    assert done.code == 1, done
    assert "data of data.txt: failed: 1 finding fails: recorded-hash" in refusal(done)["message"]
    assert "train" not in done.ran

    project.run()
    assert (project.project / "data.txt").read_text() == "1\n2\n", "made again by its own stage"


def test_poisoned_memory_of_digests_is_not_believed(project: Repository) -> None:
    import sqlite3

    project.run()
    (project.project / "data.txt").chmod(0o644)
    data = project.write("data.txt", "poison\n")
    status = os.stat(data)
    database = project.project / ".ml-assets" / "state" / "digests.sqlite"
    with sqlite3.connect(database) as connection:
        changed = connection.execute(
            "UPDATE digests SET inode = ?, size = ?, modified = ?, changed = ? WHERE path = ?",
            (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns, str(data)),
        )
    connection.close()
    assert changed.rowcount == 1

    done = project.ml_assets("run", "--json", "--select", "train")

    assert done.code == 1, done
    assert "recorded-hash" in refusal(done)["message"]


def test_run_names_the_gates_that_it_went_by(project: Repository) -> None:
    done = project.run()

    verdicts = {(one["name"], one["subject"]): one["verdict"] for one in done.document["gates"]}
    assert verdicts == {
        ("code-security", "source"): "passed",
        ("data", "data.txt"): "passed",
        ("model-file", "model.pkl"): "passed",
    }


def test_environment_that_the_policy_does_not_know_is_said_before_anything_runs(
    project: Repository,
) -> None:
    done = project.ml_assets("run", "--json", "--environment", "prod")

    assert done.code == 2 and done.ran == {}
    assert refusal(done)["message"] == "unknown environment: prod"


def test_run_for_an_environment_asks_for_its_gates(project: Repository) -> None:
    project.write("deploy_key.py", "AWS = 'AKIA" + "Z7VRSQ5TJN2XMPLE'\n")

    done = project.ml_assets("run", "--json", "--environment", "staging")

    verdicts = {one["name"]: one["verdict"] for one in done.document["gates"]}
    assert verdicts["secrets"] == "failed", done
    assert done.code == 1
    assert done.document["deployment"] is None


def test_shallow_clone_that_lacks_the_protected_branch_says_what_to_fetch(
    project: Repository, tmp_path: Path
) -> None:
    project.git("switch", "--quiet", "--create", "feature")
    plant(project)
    project.commit("a feature")
    project.git("switch", "--quiet", "main")
    clone = Repository(tmp_path / "clone", project.tools)
    shutil.rmtree(clone.root)
    url = f"file://{project.root}"
    clone.git(
        "clone",
        "--quiet",
        "--depth=1",
        "--branch=feature",
        url,
        str(clone.root),
        directory=tmp_path,
    )

    done = clone.ml_assets("check", "--json")

    assert done.code == 2, done
    assert refusal(done)["message"] == "the protected branch is not in this clone: main"
    assert "git fetch origin main" in refusal(done)["hint"]


def test_document_of_a_check_is_one_json_object(project: Repository) -> None:
    plant(project)

    done = project.ml_assets("check", "--json", "code-security", "format")

    assert done.code == 1
    assert json.loads(done.stdout)["verdict"] == "failed"
    by_name = {gate["name"]: gate for gate in done.document["gates"]}
    (finding,) = [f for f in by_name["code-security"]["findings"] if f["status"] == "failing"]
    assert (finding["id"], finding["path"], finding["line"]) == ("B602", "train.py", 4)


@pytest.mark.parametrize("dep", ["given/base.pkl", "given"])
def test_model_that_no_stage_writes_has_to_pass_as_well(project: Repository, dep: str) -> None:
    project.write("given/base.pkl", MALICIOUS)
    project.write("given/README.md", "from a friend\n")
    project.stages({"tune": {"cmd": "touch tuned.txt", "deps": [dep], "outs": ["tuned.txt"]}})

    done = project.ml_assets("run", "--json")

    assert done.code == 1, done
    assert "model-file of given/base.pkl: failed" in refusal(done)["message"]
    assert "tune" not in done.ran


def test_branch_that_deletes_the_tests_does_not_pass_them(project: Repository) -> None:
    project.write("tests/unit/test_sum.py", "def test_sum():\n    assert 1 + 1 == 2\n")
    project.commit("a test")
    project.git("switch", "--quiet", "--create", "feature")
    project.remove("tests")
    project.commit("no tests any more")

    done = project.ml_assets("check", "--json", "--environment", "staging")

    (suite,) = [gate for gate in done.document["gates"] if gate["name"] == "unit-tests"]
    assert (suite["verdict"], suite["blocks"]) == ("error", True)


def test_required_gate_that_has_nothing_to_judge_lets_no_stage_run(project: Repository) -> None:
    project.write(
        ".ml-assets/policy.toml",
        'version = 1\n[environments.materialize]\ndefault = { level = "advisory" }\n'
        '[environments.materialize.gates]\nunit-tests = { level = "required" }\n',
    )
    project.commit("tests are required, and there are none")

    done = project.ml_assets("run", "--json", "--select", "prepare")

    assert done.code == 3, done
    assert "unit-tests of nothing: error" in refusal(done)["message"]
    assert done.ran == {}
